/** How far ahead of a film its successor waits for it, in seconds: about what a jump takes. */
const lead = 1;
/** How near is the same place, and how often is looked, in seconds and milliseconds. */
const near = 0.06;
const lookEvery = 40;

/** HAVE_CURRENT_DATA and HAVE_FUTURE_DATA: there is a picture, and there is a next one. */
const picture = 2;
const next = 3;

export type Playing = Pick<HTMLMediaElement, "currentTime" | "duration" | "paused" | "ended" | "seeking" | "readyState" | "error" | "muted" | "volume" | "playbackRate">;

/**
 * Has `media`, the same film from elsewhere, wait where `before` will be in a moment, and calls
 * `swap` when it is there. Nothing happens while `held`, or if `media` fails: the film goes on
 * as it is. Returns what ends the attempt.
 */
export function takeOver(before: Playing, media: Playing, held: () => boolean, swap: () => void): () => void {
  // One that has no picture, or waits for the next, has nothing that could be broken off.
  const still = (): boolean => before.paused || before.ended || before.error !== null || before.readyState < next;
  const aim = (): void => {
    media.currentTime = before.currentTime + (still() ? 0 : lead);
  };
  const timer = setInterval(() => {
    if (media.error) return clearInterval(timer);
    if (media.readyState === 0 || held()) return;
    const ahead = media.currentTime - before.currentTime;
    if (still() ? before.readyState >= picture && Math.abs(ahead) > near : ahead < -near || ahead > 2 * lead) {
      // A jump of its own that is on its way is waited for, unless the film has moved past it.
      if (!media.seeking || ahead < -near || ahead > 2 * lead) aim();
      return;
    }
    if (media.seeking || media.readyState < next || (!still() && ahead > near)) return;
    clearInterval(timer);
    media.muted = before.muted;
    media.volume = before.volume;
    media.playbackRate = before.playbackRate;
    swap();
  }, lookEvery);
  return () => clearInterval(timer);
}
