/**
 * Scores passages beside the page, which stays responsive.
 *
 * In: `{id, query, passages}`; only the newest counts. Out: `{loaded}` from 0 to 1, `{ready}`, and
 * `{id, scores, milliseconds}` or `{error}`.
 */
import * as library from "./node_modules/@huggingface/transformers/dist/transformers.min.js";
import { loadReranker } from "./reranker.js";

const here = (path) => new URL(path, import.meta.url).href;

// Model, script and WebAssembly come from this folder: the library would ask other hosts.
library.env.allowRemoteModels = false;
library.env.allowLocalModels = true;
library.env.localModelPath = new URL("./models/", import.meta.url).pathname; // no whole address
// A model that is compiled again has the same address; the browser's own cache asks whether it is new.
library.env.useBrowserCache = false;
library.env.useWasmCache = false;
library.env.backends.onnx.wasm.wasmPaths = {
  mjs: here("./node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.mjs"),
  wasm: here("./node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm"),
};

/** Passages between two looks at whether the question has changed. */
const AT_ONCE = 4;

let wanted = null;
let running = false;

addEventListener("message", ({ data }) => {
  wanted = data;
  if (!running) run();
});

const reranker = loadReranker(library, "embedded", {
  device: "wasm",
  progress_callback: ({ status, progress }) => {
    if (status === "progress_total") postMessage({ loaded: progress / 100 });
  },
});
reranker.then(() => postMessage({ ready: true }), failed);

async function run() {
  running = true;
  try {
    while (wanted) {
      const asked = wanted;
      const { id, query, passages } = asked;
      const loaded = await reranker;
      const start = performance.now();
      const scores = [];
      while (scores.length < passages.length && wanted === asked) {
        const next = passages.slice(scores.length, scores.length + AT_ONCE);
        scores.push(...(await loaded.score(query, next)));
        await new Promise((resolve) => setTimeout(resolve)); // lets a newer question in
      }
      if (wanted === asked) {
        wanted = null;
        postMessage({ id, scores, milliseconds: performance.now() - start });
      }
    }
  } catch (error) {
    failed(error);
  } finally {
    running = false;
  }
}

function failed(error) {
  postMessage({ error: String(error) });
}
