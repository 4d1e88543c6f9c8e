/**
 * What a contact attaches. What it is is told by its content alone, whatever it is called; what Claude could not take in is
 * refused before it is accepted, for a picture that the API refuses would be refused with every message that follows it.
 */

import { createHash } from "node:crypto";
import { imageSize } from "image-size";
import { SwitchboardError } from "../errors.ts";
import { whyUndecodable } from "./pictures.ts";

export type PictureType = "image/png" | "image/jpeg" | "image/gif" | "image/webp";
export type AttachmentType = PictureType | "application/pdf" | "text/plain";

/** An attachment that has been looked at. */
export interface AttachmentFile {
  name: string;
  type: AttachmentType;
  bytes: number;
  /** Of the content, hexadecimal. */
  sha256: string;
  data: Uint8Array;
}

/** The API's own: 5 MiB a picture as base64, 8000 px a side, 32 MiB and 100 pages a request; of the rest a conversation holds many. */
export const attachmentLimits = {
  /** Of one message. */
  count: 10,
  /** Bytes of all of a message. */
  totalBytes: 12_000_000,
  pictureBytes: 3_900_000,
  picturePixelsASide: 8000,
  /** Of one picture: decoded, four bytes each. */
  picturePixels: 36_000_000,
  pdfBytes: 8_000_000,
  pdfPages: 100,
  textBytes: 500_000,
};

const taken = "Send a picture (PNG, JPEG, GIF, WebP), a PDF or a text in UTF-8.";

/** Of the schema: base64 as RFC 4648 has it, with its padding. */
export interface AttachmentInput {
  name: string;
  data: string;
}

/**
 * `totalBytes`: of all together. Throws `invalid_attachment` or `too_large`, with the field of the first that cannot be taken.
 * Pictures are not decoded yet.
 */
export function readAttachments(
  inputs: readonly AttachmentInput[],
  totalBytes = attachmentLimits.totalBytes,
): AttachmentFile[] {
  let total = 0;
  return inputs.map(({ name, data: encoded }, at) => {
    const field = `attachments.${at}`;
    const data = Buffer.from(encoded, "base64");
    if (data.toString("base64") !== encoded)
      throw refusal(`${field}.data`, "is no base64", "Encode the file's bytes as base64, with its padding.");
    if (data.length === 0) throw refusal(`${field}.data`, "is empty", taken);
    total += data.length;
    checkSize("attachments", "all together", total, totalBytes);
    const type = typeOf(field, data);
    return { name, type, bytes: data.length, sha256: createHash("sha256").update(data).digest("hex"), data };
  });
}

/** Throws `invalid_attachment` when a picture cannot be decoded. Takes up to some hundred ms a picture, in a thread of its own. */
export async function decodePictures(files: readonly AttachmentFile[]): Promise<void> {
  const pictures = files.filter(({ type }) => type.startsWith("image/"));
  if (pictures.length === 0) return;
  const problem = await whyUndecodable(pictures.map(({ data }) => data));
  if (problem === null) return;
  const picture = pictures[problem.at];
  const field = `attachments.${picture === undefined ? 0 : files.indexOf(picture)}`;
  throw refusal(
    field,
    `is a picture that cannot be decoded: ${problem.why}`,
    "Send it again, or save it anew first.",
  );
}

function typeOf(field: string, data: Buffer): AttachmentType {
  if (data.subarray(0, 5).toString("latin1") === "%PDF-") return pdf(field, data);
  const size = pictureIn(field, data);
  if (size !== null) return picture(field, data, size);
  const text = textIn(data);
  if (text !== null) {
    checkSize(field, "a text", data.length, attachmentLimits.textBytes);
    if (text.trim() === "") throw refusal(field, "is a text without a word", taken);
    return "text/plain";
  }
  throw refusal(field, "is nothing that Claude can look at", taken);
}

interface Size {
  type: PictureType;
  width: number;
  height: number;
}

const pictureTypes: Readonly<Record<string, PictureType>> = {
  png: "image/png",
  jpg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
};

/** How each of them begins. The library knows many more, and would read on in any of them. */
const beginnings = /^(?:\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|RIFF[\s\S]{4}WEBP)/;

/** Null: it does not begin as a picture does. */
function pictureIn(field: string, data: Buffer): Size | null {
  if (!beginnings.test(data.subarray(0, 12).toString("latin1"))) return null;
  try {
    // A copy, for it reads on behind the end of a view (2.1.0): what stands there belongs to somebody else.
    const { type = "", width, height } = imageSize(new Uint8Array(data));
    const known = pictureTypes[type];
    if (known !== undefined) return { type: known, width, height };
  } catch {
    // Told below.
  }
  throw refusal(field, "begins as a picture does, but has no dimensions", taken);
}

function picture(field: string, data: Buffer, { type, width, height }: Size): PictureType {
  const { pictureBytes, picturePixelsASide, picturePixels } = attachmentLimits;
  const dimensions = `is a picture of ${width} x ${height} pixels`;
  if (!(width >= 1 && height >= 1)) throw refusal(field, dimensions, taken);
  if (Math.max(width, height) > picturePixelsASide || width * height > picturePixels)
    throw refusal(
      field,
      `${dimensions} (at most ${picturePixelsASide} a side, and ${picturePixels} in all)`,
      "Make it smaller: Claude sees no more than 1568 pixels a side anyway.",
    );
  checkSize(field, "a picture", data.length, pictureBytes);
  return type;
}

/** What can be told without reading it all as a PDF: objects may be compressed, and then pages are not counted. */
function pdf(field: string, data: Buffer): AttachmentType {
  checkSize(field, "a PDF", data.length, attachmentLimits.pdfBytes);
  const text = data.toString("latin1");
  if (!text.slice(-2048).includes("%%EOF"))
    throw refusal(field, "is a PDF without its end", "Send it again.");
  if (/\/Encrypt(?:\s+\d+\s+\d+\s+R|\s*<<)/.test(text))
    throw refusal(field, "is an encrypted PDF", "Save it without a password.");
  const pages = text.match(/\/Type\s*\/Page(?![A-Za-z])/g)?.length ?? 0;
  if (pages > attachmentLimits.pdfPages)
    throw refusal(
      field,
      `is a PDF of ${pages} pages (at most ${attachmentLimits.pdfPages})`,
      "Send the pages that matter.",
    );
  return "application/pdf";
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** UTF-8 without the control characters that no text has; null: it is none. */
function textIn(data: Uint8Array): string | null {
  try {
    const text = utf8.decode(data);
    return /[\0-\x08\x0e-\x1a\x1c-\x1f]/.test(text) ? null : text;
  } catch {
    return null;
  }
}

function checkSize(field: string, what: string, bytes: number, most: number): void {
  if (bytes <= most) return;
  throw new SwitchboardError("too_large", `${field}: ${what}: ${bytes} bytes (at most ${most})`, {
    field,
    hint: "Send less, or make it smaller.",
  });
}

function refusal(field: string, what: string, hint: string): SwitchboardError {
  return new SwitchboardError("invalid_attachment", `${field}: ${what}`, { field, hint });
}
