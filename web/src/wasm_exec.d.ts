/** The support script of the Go tool chain, taken from GOROOT by the build. */
declare module "go:wasm_exec";
