import type { KnownBlock, View } from "@slack/types";

export interface WhatWeSend {
  messages: Record<string, KnownBlock[]>;
  views: Record<string, View>;
}
