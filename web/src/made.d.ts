// Made by the build.
declare module "shoal:worker" {
  const code: string;
  export default code;
}

declare module "*/shoal.engine.js" {
  /** shoal.wasm: gzip, then base64. */
  const packed: string;
  export default packed;
}
