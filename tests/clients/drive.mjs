// Hands calls to clients and prints what they make of the server's answers, as drive.py does.
import { createInterface } from "node:readline";

import { createCohere } from "@ai-sdk/cohere";
import { CohereRerank } from "@langchain/cohere";
import { rerank } from "ai";
import { CohereClient, CohereClientV2 } from "cohere-ai";

async function aiSdk(call) {
  const model = createCohere({ baseURL: call.url, apiKey: call.token }).reranking(call.model);
  const { query, documents, top_n } = call;
  const { ranking } = await rerank({ model, query, documents, topN: top_n ?? undefined });
  return ranking.map((one) => [one.originalIndex, one.score, null]);
}

async function clientV2(call) {
  const client = new CohereClientV2({ token: call.token, environment: call.url });
  const { model, query, documents, top_n } = call;
  const answer = await client.rerank({ model, query, documents, topN: top_n ?? undefined });
  return answer.results.map((one) => [one.index, one.relevanceScore, null]);
}

async function clientV1(call) {
  const client = new CohereClient({ token: call.token, environment: call.url });
  const { model, query, documents, top_n, return_documents } = call;
  const asked = { model, query, documents, topN: top_n ?? undefined };
  const answer = await client.rerank({ ...asked, returnDocuments: return_documents });
  return answer.results.map((one) => [one.index, one.relevanceScore, one.document?.text ?? null]);
}

async function langchain(call) {
  const client = new CohereClient({ token: call.token, environment: call.url });
  const topN = call.top_n ?? call.documents.length;
  const compressor = new CohereRerank({ client, model: call.model, topN });
  const documents = call.documents.map((pageContent, place) => ({ pageContent, metadata: { place } }));
  const ranked = await compressor.compressDocuments(documents, call.query);
  return ranked.map(({ metadata }) => [metadata.place, metadata.relevanceScore, null]);
}

const drivers = { aiSdk, clientV2, clientV1, langchain };
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const call = JSON.parse(line);
    answer = { rows: await drivers[call.driver](call) };
  } catch (error) {
    answer = { error: error.constructor.name, message: error.message };
  }
  console.log(JSON.stringify(answer));
}
