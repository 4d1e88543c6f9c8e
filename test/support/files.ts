/** Files as contacts attach them, made here: pictures of one colour, and small documents. */

import { crc32, deflateSync } from "node:zlib";

function chunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}

export const pngBeginning = Buffer.from("89504e470d0a1a0a", "hex");

/** A black picture. `data`: that of another size, for one that says what it is not. */
export function png(width: number, height: number, data = pixels(width, height)): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // Eight bits a channel, three channels.
  header.set([8, 2], 8);
  return Buffer.concat([
    pngBeginning,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(data)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function pixels(width: number, height: number): Buffer {
  return Buffer.alloc((3 * width + 1) * height);
}

/** One pixel each, as small as they get. */
export const jpeg = Buffer.from(
  "ffd8ffe000104a46494600010100000100010000ffdb004300080606070605080707070909080a0c140d0c0b0b0c1912130f141d1a1f1e1d1a1c1c20242e2720222c231c1c2837292c30313434341f27393d38323c2e333432ffc0000b080001000101011100ffc4001f0000010501010101010100000000000000000102030405060708090a0bffc400b5100002010303020403050504040000017d01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9faffda0008010100003f00fbfcffd9",
  "hex",
);
export const gif = Buffer.from(
  "47494638396101000100800000000000ffffff21f90401000000002c000000000100010000020144003b",
  "hex",
);
export const webp = Buffer.from(
  "524946461a000000574542505650384c0d0000002f00000010071011118888fe0700",
  "hex",
);

/** Says in its header that it is of one pixel, and is decoded as `width` x `width`: of the two, each passes over what the other reads. */
export function disguisedJpeg(width: number): Buffer {
  const at = jpeg.indexOf("ffc0", "hex");
  const frame = jpeg.subarray(at, at + 2 + jpeg.readUInt16BE(at + 2));
  const large = Buffer.from(frame);
  large.writeUInt16BE(width, 5);
  large.writeUInt16BE(width, 7);
  // A byte to fill up before the marker: who does not know of it takes the marker for the length of what to pass over.
  const hidden = Buffer.concat([Buffer.from([0xff]), large, jpeg.subarray(at + frame.length)]);
  const passedOver = Buffer.alloc(0xc002);
  hidden.copy(passedOver);
  return Buffer.concat([jpeg.subarray(0, at), passedOver, frame, Buffer.from("ffd9", "hex")]);
}

/** Its canvas is of one pixel, its picture of `width` x `width`. */
export function disguisedWebp(width: number): Buffer {
  const canvas = Buffer.from("565038580a00000000000000000000000000", "hex");
  const bitstream = Buffer.from(webp.subarray(12));
  // Two fields of 14 bits, each one less than it says; the rest stays.
  const rest = bitstream.readUInt32LE(9) & 0xf0000000;
  bitstream.writeUInt32LE((rest | (width - 1) | ((width - 1) << 14)) >>> 0, 9);
  const head = Buffer.from(webp.subarray(0, 12));
  head.writeUInt32LE(4 + canvas.length + bitstream.length, 4);
  return Buffer.concat([head, canvas, bitstream]);
}

/** Two pixels beside each other, to be shown above each other, as phones write them. */
export function turnedJpeg(): Buffer {
  const turned = Buffer.from(jpeg);
  turned.writeUInt16BE(2, turned.indexOf("ffc0", "hex") + 7);
  const exif = "ffe100224578696600004d4d002a00000008000101120003000000010006000000000000";
  return Buffer.concat([turned.subarray(0, 2), Buffer.from(exif, "hex"), turned.subarray(2)]);
}

export function pdf({ pages = 1, extra = "" } = {}): Buffer {
  const kids = Array.from({ length: pages }, (_, n) => `${n + 3} 0 R`).join(" ");
  const leaves = Array.from(
    { length: pages },
    (_, n) => `${n + 3} 0 obj << /Type /Page /Parent 2 0 R /MediaBox [0 0 10 10] >> endobj`,
  );
  return Buffer.from(
    [
      "%PDF-1.4",
      "1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj",
      `2 0 obj << /Type /Pages /Kids [${kids}] /Count ${pages} >> endobj`,
      ...leaves,
      `trailer << /Root 1 0 R ${extra}>>`,
      "%%EOF",
      "",
    ].join("\n"),
  );
}

/** As the API takes it. */
export function attached(name: string, data: Buffer | string): { name: string; data: string } {
  return { name, data: Buffer.from(data).toString("base64") };
}
