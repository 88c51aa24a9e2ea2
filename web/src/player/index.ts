/**
 * Elements for pages: `import "shoal/player"` makes `<shoal-player>` and
 * `<shoal-consent>` work.
 */

import { ShoalConsent } from "./consent";
import { define } from "./element";
import { ShoalPlayer } from "./player";

// A player looks for the page's consent bar, so that is there first.
define("shoal-consent", ShoalConsent);
define("shoal-player", ShoalPlayer);

export { ShoalConsent } from "./consent";
export { ShoalPlayer } from "./player";
export { configure, sharedShoal } from "./shared";
export { words } from "./words";
