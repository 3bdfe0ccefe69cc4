// Reads {messages, views} by their names; writes where one is not as @slack/types describes it, a line each.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import Ajv from "ajv";
import { createGenerator } from "ts-json-schema-generator";

const beside = (name) => fileURLToPath(new URL(name, import.meta.url));
const type = "WhatWeSend";
const options = { path: beside("what-we-send.ts"), tsconfig: beside("tsconfig.json"), type };
const valid = new Ajv({ strict: false, allErrors: true }).compile(createGenerator(options).createSchema(type));
// Each kind of block that one could have been is an error of its own: the places are what helps.
if (!valid(JSON.parse(readFileSync(0, "utf8")))) {
  console.log([...new Set(valid.errors.map((error) => error.instancePath))].join("\n"));
}
