// The build for a plain script tag: window.Shoal is the client, with the other exports on it.

import * as all from "./shoal";

const { Shoal, ...rest } = all;
Object.assign(globalThis, { Shoal: Object.assign(Shoal, rest) });
