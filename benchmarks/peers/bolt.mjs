// Stock Bolt for JavaScript, as its documentation shows it.
// With POOL=1, answers go out over a pool of undici.
// https://docs.slack.dev/tools/bolt-js/concepts/commands
import bolt from "@slack/bolt";
import { Pool, setGlobalDispatcher, Agent } from "undici";

const { App, LogLevel } = bolt;
const { SLACK_BOT_TOKEN, SLACK_SIGNING_SECRET, SLACK_API_URL, FULLSTORY_API_URL, FULLSTORY_API_KEY, PORT, POOL } = process.env;
const app = new App({
  token: SLACK_BOT_TOKEN,
  signingSecret: SLACK_SIGNING_SECRET,
  endpoints: "/slack/events",
  clientOptions: { slackApiUrl: SLACK_API_URL },
  logLevel: LogLevel.ERROR,
});
if (POOL) setGlobalDispatcher(new Agent({ connections: 128, pipelining: 1 }));
const pool = POOL ? new Pool(FULLSTORY_API_URL, { connections: 128, pipelining: 1 }) : null;
const headers = { authorization: `Basic ${FULLSTORY_API_KEY}` };

async function sessions(email) {
  const path = `/sessions/v2?${new URLSearchParams({ email, limit: "20" })}`;
  if (!pool) return (await (await fetch(FULLSTORY_API_URL + path, { headers })).json()).sessions;
  const { body } = await pool.request({ path, method: "GET", headers });
  return (await body.json()).sessions;
}

app.command("/fsessions", async ({ ack, respond, command }) => {
  await ack();
  const found = await sessions(command.text);
  const lines = found.map((one) => `<${one.fsUrl}|${new Date(1000 * one.createdTime).toISOString().slice(0, 16)}>`);
  const message = {
    text: `Latest ${found.length} sessions of ${command.text}`,
    blocks: [{ type: "section", text: { type: "mrkdwn", text: lines.join("\n") } }],
  };
  if (!pool) return respond(message);
  const { body } = await pool.request({
    path: new URL(command.response_url).pathname,
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(message),
  });
  await body.dump();
});

await app.start({ port: Number(PORT), host: "127.0.0.1" });
