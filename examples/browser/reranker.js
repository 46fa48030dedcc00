/**
 * Scores passages with a model that `rerank compile MODEL --layout transformers.js` wrote, in a
 * browser or in Node. The tokens and the scores are those of `CrossEncoderScorer` in Python.
 *
 * The library is an argument because it is imported by name in Node, and by address in a page.
 */

/** How many pairs are read at once. */
const BATCH = 8;

/**
 * Loads a model.
 *
 * @param {object} library `@huggingface/transformers`.
 * @param {string} model The model's folder, as the library's `from_pretrained` takes it.
 * @param {object} [options] Its other options: `dtype`, `device`, `progress_callback`.
 * @param {number|string} [options.label] The index or the name of the column that means relevant,
 *   for a model with several.
 */
export async function loadReranker(library, model, { label, ...options } = {}) {
  const tokenizer = await library.AutoTokenizer.from_pretrained(model, options);
  const classifier = await library.AutoModelForSequenceClassification.from_pretrained(model, options);
  return new Reranker(library.Tensor, tokenizer, classifier, label);
}

class Reranker {
  constructor(Tensor, tokenizer, classifier, label) {
    const { default_prompt, labels } = classifier.config.rerank_plugins;
    this.Tensor = Tensor;
    this.tokenizer = tokenizer;
    this.classifier = classifier;
    this.prompt = default_prompt;
    this.column = columnOf(label, labels);
    this.frame = frameOf(tokenizer);
  }

  /** Indices of the passages and their scores, best first; passages that tie keep their order. */
  async rank(query, passages) {
    const scores = await this.score(query, passages);
    return scores
      .map((score, index) => ({ index, score }))
      .sort((left, right) => right.score - left.score);
  }

  /** A logit for each passage, in their order. `sigmoid` makes a probability of it. */
  async score(query, passages) {
    const pairs = this.encode(query, passages);
    // Pairs of about the same length go together, so that little is read in vain.
    const order = [...pairs.keys()];
    order.sort((left, right) => pairs[left].input_ids.length - pairs[right].input_ids.length);
    const scores = new Array(pairs.length);
    for (let start = 0; start < order.length; start += BATCH) {
      const batch = order.slice(start, start + BATCH);
      const { logits } = await this.classifier(this.padded(batch.map((index) => pairs[index])));
      logits.tolist().forEach((row, place) => (scores[batch[place]] = logOdds(row, this.column)));
    }
    return scores;
  }

  /**
   * The tokens of the query with each passage, put together here because the library does two things
   * otherwise: its `truncation` cuts the last special token off with the end of the pair, where
   * Python cuts the longer text first, and a pair with an empty passage is no pair to it.
   */
  encode(query, passages) {
    const { before, between, behind, typed } = this.frame;
    const { model_max_length } = this.tokenizer;
    const room = model_max_length - before.length - between.length - behind.length;
    const asked = tokensOf(this.tokenizer, this.prompt + query);
    return passages.map((passage) => {
      const told = tokensOf(this.tokenizer, passage);
      const [first, second] = keptLengths(asked.length, told.length, room);
      const head = [...before, ...asked.slice(0, first), ...between];
      const tail = [...told.slice(0, second), ...behind];
      const input_ids = [...head, ...tail];
      const types = typed && { token_type_ids: [...head.fill(0), ...tail.fill(1)] };
      return { input_ids, attention_mask: input_ids.map(() => 1), ...types };
    });
  }

  /** Pairs as one batch, filled up on the right. */
  padded(pairs) {
    const width = Math.max(...pairs.map((pair) => pair.input_ids.length));
    return mapValues(pairs[0], (_, name) => {
      const filling = name === "input_ids" ? this.tokenizer.pad_token_id : 0;
      const rows = pairs.map((pair) => [
        ...pair[name],
        ...new Array(width - pair[name].length).fill(filling),
      ]);
      const data = BigInt64Array.from(rows.flat(), BigInt);
      return new this.Tensor("int64", data, [pairs.length, width]);
    });
  }
}

/** The probability that a logit stands for. */
export const sigmoid = (logit) => 1 / (1 + Math.exp(-logit));

/** The index of the column to score by; `labels` has the name of each. */
function columnOf(label, labels) {
  if (!labels) {
    const typed = "rerank compile MODEL --layout transformers.js";
    throw new Error(`The model was compiled by an older version. Compile it again: ${typed}`);
  }
  if (label === undefined && labels.length === 1) return 0;
  const column = typeof label === "string" ? labels.indexOf(label) : label;
  if (column in labels) return column;
  const listed = labels.map((name, index) => `${index} (${JSON.stringify(name)})`).join(", ");
  const given = label === undefined ? "no label was chosen" : `${JSON.stringify(label)} is not one`;
  throw new Error(
    `The model's head has these columns: ${listed}; ${given}. Pass loadReranker the option label ` +
      "with the index or the name of the column that means relevant.",
  );
}

/** A single column is the logit; of several, the sigmoid of this is the column's softmax. */
function logOdds(row, column) {
  if (row.length === 1) return row[0];
  const others = row.filter((_, index) => index !== column);
  const largest = Math.max(...others);
  const sum = others.reduce((total, other) => total + Math.exp(other - largest), 0);
  return row[column] - largest - Math.log(sum);
}

function tokensOf(tokenizer, text) {
  return tokenizer.encode(text, { add_special_tokens: false });
}

/** The special tokens around a query and a passage, and whether types tell the two apart. */
function frameOf(tokenizer) {
  const text = "a";
  const { input_ids, token_type_ids } = tokenizer(text, { text_pair: text, return_tensor: false });
  const { length } = tokensOf(tokenizer, text);
  // One stands before the query and one behind the passage, in all models that can be compiled.
  return {
    before: input_ids.slice(0, 1),
    between: input_ids.slice(1 + length, -1 - length),
    behind: input_ids.slice(-1),
    typed: token_type_ids !== undefined,
  };
}

/** How many tokens of each text stay if there is room for `room`: the longer one is cut first. */
function keptLengths(query, passage, room) {
  if (query + passage <= room) return [query, passage];
  const short = Math.min(query, passage, Math.floor(room / 2));
  return query <= passage ? [short, room - short] : [room - short, short];
}

function mapValues(object, change) {
  return Object.fromEntries(
    Object.entries(object).map(([name, value]) => [name, change(value, name)]),
  );
}
