/** What contacts attach: what is taken, and what is refused, with words that help. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { attachmentLimits, decodePictures, readAttachments } from "../../src/contacts/attachments.ts";
import { SwitchboardError } from "../../src/errors.ts";
import {
  attached,
  disguisedJpeg,
  disguisedWebp,
  gif,
  jpeg,
  pdf,
  png,
  pngBeginning,
  turnedJpeg,
  webp,
} from "../support/files.ts";

const { pictureBytes, pdfBytes, textBytes, totalBytes } = attachmentLimits;

/** A text chunk before the end makes a picture as long as one likes. */
function longPng(bytes: number): Buffer {
  const whole = png(1, 1);
  return Buffer.concat([whole, Buffer.alloc(bytes - whole.length)]);
}

const short = (data: Buffer, bytes: number) => data.subarray(0, bytes);
const crypt = "/Encrypt 9 0 R ";

describe("an attachment", () => {
  const taken: Array<[what: string, data: Buffer, type: string]> = [
    ["a PNG", png(3, 2), "image/png"],
    ["a JPEG", jpeg, "image/jpeg"],
    ["a JPEG that is to be turned", turnedJpeg(), "image/jpeg"],
    ["a GIF", gif, "image/gif"],
    ["a WebP", webp, "image/webp"],
    ["a picture as large as may be, in bytes", longPng(pictureBytes), "image/png"],
    ["a picture as large as may be, in pixels", png(8000, 4500), "image/png"],
    ["a PDF", pdf(), "application/pdf"],
    ["a PDF of as many pages as may be", pdf({ pages: 100 }), "application/pdf"],
    ["a text", Buffer.from("Grüße\r\n\tvon hier\u001b[0m"), "text/plain"],
    ["a script, which is a text", Buffer.from("#!/bin/sh\nrm -rf /\n"), "text/plain"],
    ["a text that begins as a picture's name", Buffer.from("PNG is a format"), "text/plain"],
    ["a text as long as may be", Buffer.alloc(textBytes, "a"), "text/plain"],
    ["an SVG, which is a text to Claude", Buffer.from("<svg onload='x()'/>"), "text/plain"],
  ];
  for (const [what, data, type] of taken) {
    it(`may be ${what}`, async () => {
      const files = readAttachments([attached("holiday.exe", data)]);
      await decodePictures(files);
      const sha256 = createHash("sha256").update(data).digest("hex");
      assert.deepEqual(
        files.map(({ data: _, ...told }) => told),
        [{ name: "holiday.exe", type, bytes: data.length, sha256 }],
      );
      assert.ok(files[0] && Buffer.from(files[0].data).equals(data));
    });
  }

  const refused: Array<[what: string, data: Buffer, message: RegExp, code?: string]> = [
    ["nothing", Buffer.alloc(0), /^attachments\.0\.data: is empty$/],
    ["a zip that is called a picture", Buffer.from("PK\u0003\u0004\u0000\u0000"), /is nothing that Claude/],
    ["a program", Buffer.from("7f454c4602010100", "hex"), /is nothing that Claude/],
    ["a text of blanks alone", Buffer.from("\ufeff \r\n\t"), /is a text without a word/],
    ["a text in Latin-1", Buffer.from("Gr\xfc\xdfe", "latin1"), /is nothing that Claude/],
    ["a text in UTF-16", Buffer.from("Hello", "utf16le"), /is nothing that Claude/],
    ["a text with a NUL", Buffer.from("a\0b"), /is nothing that Claude/],
    ["half a character", Buffer.from([0xe2, 0x82]), /is nothing that Claude/],
    ["a BMP", Buffer.from("424d3a0000000000", "hex"), /is nothing that Claude/],
    ["a TIFF", Buffer.from("49492a0008000000", "hex"), /is nothing that Claude/],
    ["a picture of Apple's", Buffer.from("\0\0\0\u0018ftypheic\0\0\0\0"), /is nothing that Claude/],
    ["the beginning of a PNG alone", pngBeginning, /begins as a picture does, but has no dimensions/],
    ["the beginning of a JPEG alone", short(jpeg, 20), /has no dimensions/],
    ["the beginning of a GIF alone", short(gif, 8), /has no dimensions/],
    ["the beginning of a WebP alone", short(webp, 20), /cannot be decoded/],
    ["a PNG that was cut off", short(png(50, 50), 50), /cannot be decoded: its data is damaged/],
    ["a JPEG that was cut off", short(jpeg, 180), /cannot be decoded/],
    ["a GIF that was cut off", short(gif, 20), /cannot be decoded/],
    ["a WebP that was cut off", short(webp, 26), /cannot be decoded|no dimensions/],
    ["a PNG with a flipped bit", flipped(png(50, 50), 45), /cannot be decoded/],
    ["a PNG with fewer pixels than it says", png(60, 60, Buffer.alloc(9)), /cannot be decoded/],
    ["a PNG's head with a JPEG's body", Buffer.concat([short(png(9, 9), 33), jpeg]), /cannot be decoded/],
    [
      "a bomb of 50 000 x 50 000 pixels",
      png(50_000, 50_000, Buffer.alloc(9)),
      /50000 x 50000 pixels \(at most 8000/,
    ],
    [
      "a JPEG of another size than its header says",
      disguisedJpeg(64),
      /64 x 64 pixels, and its header says 1 x 1/,
    ],
    // On a busy machine its time is over first: it takes 2 s of the processor until it meets the bound.
    [
      "a bomb in a JPEG whose header says one pixel",
      disguisedJpeg(11_000),
      /its data is damaged|it takes too long/,
    ],
    ["a bomb in a WebP whose header says one pixel", disguisedWebp(16_384), /its data is damaged/],
    ["a picture that is too wide", png(8001, 1), /8001 x 1 pixels \(at most 8000 a side/],
    ["a picture of too many pixels", png(7000, 7000, Buffer.alloc(9)), /7000 x 7000 pixels/],
    ["a picture without a pixel", png(0, 7, Buffer.alloc(1)), /0 x 7 pixels|no dimensions/],
    ["a picture of negative size", png(0xffffffff, 1, Buffer.alloc(9)), /4294967295 x 1 pixels/],
    [
      "a picture that is one byte too large",
      longPng(pictureBytes + 1),
      /a picture: 3900001 bytes/,
      "too_large",
    ],
    ["a PDF without its end", short(pdf(), 60), /is a PDF without its end/],
    ["an encrypted PDF", pdf({ extra: crypt }), /is an encrypted PDF/],
    [
      "a PDF whose key stands in its trailer",
      pdf({ extra: "/Encrypt<</Filter/Standard>>" }),
      /is an encrypted PDF/,
    ],
    ["a PDF of too many pages", pdf({ pages: 101 }), /a PDF of 101 pages \(at most 100\)/],
    [
      "a PDF that is one byte too large",
      Buffer.concat([pdf(), Buffer.alloc(pdfBytes)]),
      /a PDF: /,
      "too_large",
    ],
    [
      "a text that is one byte too long",
      Buffer.alloc(textBytes + 1, "a"),
      /a text: 500001 bytes/,
      "too_large",
    ],
    [
      "a picture behind a script",
      Buffer.concat([Buffer.from("#!/bin/sh\n"), png(1, 1)]),
      /is nothing that Claude/,
    ],
  ];
  for (const [what, data, message, code = "invalid_attachment"] of refused) {
    it(`may not be ${what}`, async () => {
      await assert.rejects(
        async () => await decodePictures(readAttachments([attached("holiday.png", data)])),
        (error) => {
          assert.ok(error instanceof SwitchboardError);
          assert.equal(error.code, code);
          assert.match(error.message, message);
          assert.match(error.field ?? "", /^attachments\.0/);
          assert.ok(error.hint);
          return true;
        },
      );
    });
  }

  for (const data of [
    "no base64",
    "AA=",
    "AA",
    "A A=",
    "AAAA\n",
    "AB==",
    "-_8=",
    "data:image/png;base64,AA==",
  ]) {
    it(`may not come as ${JSON.stringify(data)}`, () => {
      assert.throws(() => readAttachments([{ name: "x", data }]), {
        code: "invalid_attachment",
        field: "attachments.0.data",
      });
    });
  }

  it("is named when it is one of several, and not the first", async () => {
    const files = [attached("a", "a text"), attached("b", png(2, 2)), attached("c", short(png(50, 50), 50))];
    await assert.rejects(async () => await decodePictures(readAttachments(files)), {
      field: "attachments.2",
    });
  });

  it("may not be too large together with the others", () => {
    const part = attached(
      "part.pdf",
      Buffer.concat([Buffer.alloc(totalBytes / 3, "%PDF-"), Buffer.from("%%EOF")]),
    );
    assert.equal(readAttachments([part, part]).length, 2);
    assert.throws(() => readAttachments([part, part, part]), {
      code: "too_large",
      message: /^attachments: all together: 12000015 bytes \(at most 12000000\)$/,
    });
  });

  it("is decoded anew after one at which the decoder died", async () => {
    const good = readAttachments([attached("good", png(2, 2))]);
    const bad = readAttachments([attached("bad", flipped(png(50, 50), 45))]);
    const results = await Promise.allSettled([bad, good, bad, good].map((files) => decodePictures(files)));
    assert.deepEqual(
      results.map(({ status }) => status),
      ["rejected", "fulfilled", "rejected", "fulfilled"],
    );
  });
});

function flipped(data: Buffer, at: number): Buffer {
  const changed = Buffer.from(data);
  changed.writeUInt8(changed.readUInt8(at) ^ 0xff, at);
  return changed;
}
