// A network's forward pass for one example, in float64.  A layer maps a batch to a batch: { rows, codes }, where rows
// are arrays of numbers.  Nodes and parameters are described in model.py.
const gate = (z) => (z > 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)));

const activations = {
  identity: (z) => z,
  sigmoid: gate,
  tanh: Math.tanh,
  relu: (z) => Math.max(z, 0),
  leaky_relu: (z) => Math.max(z, 0.01 * z),
  elu: (z) => Math.max(z, Math.expm1(Math.min(z, 0))),
  selu: (z) => 1.0507009873554805 * (Math.max(z, 0) + 1.6732632423543772 * Math.expm1(Math.min(z, 0))),
  gelu: (z) => Math.max(z, -10) * gate(2 * 0.7978845608028654 * clip(z, 10) * (1 + 0.044715 * clip(z, 10) ** 2)),
  silu: (z) => z * gate(z),
  mish: (z) => z * Math.tanh(Math.log1p(Math.exp(Math.min(z, 20)))),
  softplus: (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))),
  scaled_tanh: (z) => 1.7159 * Math.tanh((2 * z) / 3),
  unbent: (z) => clip(z, 2.85) / Math.sqrt(1 - (clip(z, 2.85) / 3) ** 2),
};

const transforms = {
  identity: (row) => row,
  exp: (row) => row.map(Math.exp),
  logistic: (row) => row.map(gate),
  softmax: (row) => {
    const most = Math.max(...row), powers = row.map((z) => Math.exp(z - most));
    const total = powers.reduce((sum, power) => sum + power, 0);
    return powers.map((power) => power / total);
  },
};

function clip(z, most) {
  return Math.min(Math.max(z, -most), most);
}

const eachNumber = (x, change) => ({ rows: x.rows.map((row) => row.map(change)) });
const oneRow = (row) => ({ rows: [row] });

/** inputs @ weights + biases, of a part of each matrix: `first` is the first row of the weights, `own` of the biases. */
function affine(inputs, weights, biases, first, own) {
  const outputs = Array.from({ length: weights.columns }, (_, column) => biases.at(own, column));
  inputs.forEach((input, row) => {
    for (let column = 0; column < outputs.length; column++) outputs[column] += input * weights.at(first + row, column);
  });
  return outputs;
}

/** For each number of a row some functions of it, `functions(z, feature)`, and a dense layer of its own for these. */
function byFeature(x, functions, weights, biases) {
  return {
    rows: x.rows.map((row) =>
      row.flatMap((z, feature) => {
        const values = functions(z, feature);
        return affine(values, weights, biases, feature * values.length, feature);
      }),
    ),
  };
}

const upTo = (columns, value) => Array.from({ length: columns }, (_, column) => value(column));

const layers = {
  chain: (node, x) => node.layers.reduce((y, layer) => forward(layer, y), x),
  beside(node, x) {
    const parts = node.layers.map((layer) => forward(layer, x).rows);
    return { rows: parts[0].map((_, row) => parts.flatMap((part) => part[row])) };
  },
  add(node, x) {
    const parts = node.layers.map((layer) => forward(layer, x).rows);
    const sum = (row, column) => parts.reduce((total, part) => total + part[row][column], 0);
    return { rows: parts[0].map((one, row) => one.map((_, column) => sum(row, column))) };
  },
  plus(node, x) {
    const y = forward(node.layers[0], x).rows;
    return { rows: x.rows.map((row, place) => row.map((z, column) => z + y[place][column])) };
  },
  vote: (node, x) => ({ rows: node.layers.flatMap((layer) => forward(layer, x).rows) }),
  repeat: (node, x) => ({ rows: upTo(node.members, () => x.rows).flat() }),
  dropout: (node, x) => x,
  activation: (node, x) => eachNumber(x, activations[node.name]),
  dense(node, x) {
    const [weights, biases] = node.arrays;
    return { rows: x.rows.map((row) => affine(row.map((z) => z * node.scale), weights, biases, 0, 0)) };
  },
  adapters(node, x) {
    const [weights, inputs, outputs, biases] = node.arrays, none = { at: () => 0 };
    const adapted = (row, place) => {
      const member = Math.floor((place * node.members) / x.rows.length);
      const product = affine(row.map((z, column) => z * inputs.at(member, column)), weights, none, 0, 0);
      return product.map((z, column) => z * outputs.at(member, column) + biases.at(member, column));
    };
    return { rows: x.rows.map(adapted) };
  },
  scaling: (node, x) => ({ rows: x.rows.map((row) => row.map((z, column) => z * node.arrays[0].at(0, column))) }),
  normalisation(node, x) {
    const [scales, biases] = node.arrays, mean = (row) => row.reduce((sum, z) => sum + z, 0) / row.length;
    const normal = (row) => {
      const middle = mean(row), centred = row.map((z) => z - middle);
      const inverse = 1 / Math.sqrt(mean(centred.map((z) => z * z)) + node.epsilon);
      return centred.map((z, column) => z * inverse * scales.at(0, column) + biases.at(0, column));
    };
    return { rows: x.rows.map(normal) };
  },
  parametric(node, x) {
    const f = activations[node.name], [alphas] = node.arrays;
    return { rows: x.rows.map((row) => row.map((z, column) => z + alphas.at(0, column) * (f(z) - z))) };
  },
  periodic(node, x) {
    const [frequencies, phases, weights, biases] = node.arrays;
    const wave = (z, feature) => (place) =>
      Math.cos(2 * Math.PI * frequencies.at(feature, place) * z + phases.at(feature, place));
    return byFeature(x, (z, feature) => upTo(frequencies.columns, wave(z, feature)), weights, biases);
  },
  piecewise_linear(node, x) {
    const [begins, slopes, lower, upper, weights, biases] = node.arrays;
    const filled = (z, feature) => (bin) => {
      const free = (z - begins.at(feature, bin)) * slopes.at(feature, bin);
      return Math.min(Math.max(free, lower.at(feature, bin)), upper.at(feature, bin));
    };
    return byFeature(x, (z, feature) => upTo(begins.columns, filled(z, feature)), weights, biases);
  },
  embedding(node, x) {
    const [table] = node.arrays;
    const rowOf = (column, place) => upTo(table.columns, (number) => table.at(node.firsts[place] + x.codes[column], number));
    return oneRow(node.columns.flatMap(rowOf));
  },
  one_hot: (node, x) =>
    oneRow(node.outputs.map(([column, plus, minus]) => (x.codes[column] === plus) - (x.codes[column] === minus))),
};

function forward(node, x) {
  return layers[node.kind](node, x);
}

/** A matrix of the model's numbers, of which only `at` and `columns` are needed. */
function matrix(numbers, [begin, , columns]) {
  return { columns, at: (row, column) => numbers[begin + row * columns + column] };
}

function halfToNumber(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
}

/** The model of the page with its matrices in place. */
function prepared(model) {
  const bytes = Uint8Array.from(atob(model.weights), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer), size = model.half ? 2 : 4;
  const numbers = new Float64Array(bytes.length / size);
  for (let place = 0; place < numbers.length; place++)
    numbers[place] = model.half ? halfToNumber(view.getUint16(2 * place, true)) : view.getFloat32(4 * place, true);
  const filled = (node) => ({
    ...node,
    arrays: (node.arrays || []).map((place) => matrix(numbers, place)),
    layers: (node.layers || []).map(filled),
  });
  return { ...model, root: filled(model.root) };
}

/** What the model predicts for an example: probabilities of the classes or of yes, or values in their own units. */
function predict(model, numbers, codes) {
  const rows = forward(model.root, { rows: [numbers.map((z) => z * model.input_scale)], codes }).rows;
  const outputs = rows.map(transforms[model.transform]);
  const means = outputs[0].map((_, column) => outputs.reduce((sum, row) => sum + row[column], 0) / outputs.length);
  if (!model.target) return means;
  const { centers, scales, log } = model.target, times = centers.length ? means.length / centers.length : 1;
  const values = means.map((z, column) => {
    const place = Math.floor(column / times);
    return centers.length ? z * scales[place] + centers[place] : z;
  });
  return log ? values.map(Math.exp) : values;
}
