import { correction, generate, type Bitmap2D } from "lean-qr/nano";

/** The QR code of a text, or null where it is too long for any (about 2,950 bytes). */
export function encodeQR(text: string): Bitmap2D | null {
  // The better correction while it has room.
  for (const minCorrectionLevel of [correction.M, correction.L]) {
    try {
      return generate(text, { minCorrectionLevel });
    } catch {
      // too long for this one
    }
  }
  return null;
}

/** The path of an SVG that draws the dark modules, one unit each, `margin` units from the edge. */
export function qrPath(code: Bitmap2D, margin = 4): string {
  let path = "";
  for (let y = 0; y < code.size; y++) {
    for (let x = 0; x < code.size; x++) {
      let end = x;
      while (code.get(end, y)) end++;
      if (end > x) path += `M${x + margin} ${y + margin}h${end - x}v1h-${end - x}z`;
      x = end;
    }
  }
  return path;
}
