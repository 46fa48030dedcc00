// Reads {folder, name, dtype, label, pairs} and writes {tokens, alone, together} as JSON.
import { text } from "node:stream/consumers";
import * as library from "@huggingface/transformers";
import { loadReranker } from "../reranker.js";

const { folder, name, dtype, label, pairs } = JSON.parse(await text(process.stdin));
library.env.localModelPath = folder;
library.env.allowRemoteModels = false;
const reranker = await loadReranker(library, name, { dtype, label });
const tokens = pairs.flatMap(([query, passage]) => reranker.encode(query, [passage]));
const alone = [];
for (const [query, passage] of pairs) alone.push(...(await reranker.score(query, [passage])));
const together = new Array(pairs.length);
for (const query of new Set(pairs.map(([query]) => query))) {
  const places = [...pairs.keys()].filter((index) => pairs[index][0] === query);
  const scores = await reranker.score(query, places.map((index) => pairs[index][1]));
  places.forEach((index, place) => (together[index] = scores[place]));
}
process.stdout.write(JSON.stringify({ tokens, alone, together }));
