/** The support script of the Go tool chain, taken from GOROOT by the build. */
declare module "go:wasm_exec";

/** Made by the build, see internal/dev/webbuild/sha256x4.go. */
declare module "wasm:sha256x4" {
  const code: Uint8Array<ArrayBuffer>;
  export default code;
}
