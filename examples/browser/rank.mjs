// Ranks passages in Node: node rank.mjs
import { fileURLToPath } from "node:url";
import * as library from "@huggingface/transformers";
import { loadReranker, sigmoid } from "./reranker.js";

library.env.allowRemoteModels = false; // never asks the hub
library.env.localModelPath = fileURLToPath(new URL("./models/", import.meta.url));

const reranker = await loadReranker(library, "embedded");
const passages = [
  "Soap was made in Aleppo long before it reached Europe.",
  "A soap molecule has one end that clings to grease and one that clings to water.",
  "Hard water leaves grey scum in the bath.",
];
for (const { index, score } of await reranker.rank("why does soap remove fat", passages)) {
  console.log(sigmoid(score).toFixed(2), passages[index]);
}
