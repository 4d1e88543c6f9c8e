/**
 * Makes the README's picture anew: `npm run picture` writes docs/dashboard.png. Real chats on the real daemon; only
 * what the model says is scripted.
 */
import { join } from "node:path";
import { startBrowser, visit } from "../support/browser.ts";
import { startDaemonRig } from "../support/daemon.ts";

const picture = join(import.meta.dirname, "../../docs/dashboard.png");
const ends: Array<() => Promise<void>> = [];
const scope = { after: (end: () => Promise<void>) => void ends.unshift(end) };

try {
  const rig = await startDaemonRig(scope);
  const { promise: held, resolve } = Promise.withResolvers<void>();
  scope.after(async () => resolve());
  const answers: Record<string, string> = {
    "Which museum was it that we wanted to see?":
      "The computer museum. You wanted to go on a Sunday, when it is free.",
    "Hello! Do you remember what I am allergic to?":
      "Yes: walnuts, and you asked me to watch out for them in recipes.",
    "Where do we meet on Sunday?":
      "At the station, at ten. Mira brings the tickets, and Jonas asked for a table at noon.",
    "Can you make a plan for the day?": "Gladly.",
  };
  for (const [question, answer] of Object.entries(answers))
    rig.script(question, { kind: "text", text: answer });
  const first = "Here is one:\n\n10:00 meet at the station\n10:40 the computer museum, free on Sundays\n";
  const begun = `${first}12:30 lunch, without walnuts for Ada, `;
  rig.script("And with lunch, please", {
    kind: "text",
    text: `${begun}at the harbour`,
    tokens: [begun, "at the harbour"],
    hold: held,
  });
  const say = async (chatId: string, text: string, name: string, tier: string, group = false) =>
    await rig.ended(await rig.tell(chatId, text, { contact: { name, tier, group } }));
  await say("telegram:5550123", "Which museum was it that we wanted to see?", "Jonas Weber", "favorite");
  await say("+15551234567", "Hello! Do you remember what I am allergic to?", "Ada Lovelace", "family");
  await say("signal:group.k3Vx", "Where do we meet on Sunday?", "Sunday outing", "family", true);
  await say("signal:group.k3Vx", "Can you make a plan for the day?", "Sunday outing", "family", true);

  const browser = await startBrowser(scope);
  const { page } = await visit(scope, browser, `${rig.daemon.url}/#token=${rig.token}`, {
    viewport: { width: 1280, height: 720 },
    colorScheme: "light",
    reducedMotion: "reduce",
    locale: "en-GB",
  });
  await page.getByRole("navigation").getByRole("link", { name: "Sunday outing" }).click();
  await page.getByRole("textbox", { name: /^Message to/ }).fill("And with lunch, please");
  await page.keyboard.press("Enter");
  await page.getByText("without walnuts for Ada").waitFor();
  await page.getByText("sent: the model is at work").waitFor();
  await page.screenshot({ path: picture });
  console.log(`wrote ${picture}`);
} finally {
  for (const end of ends) await end();
}
