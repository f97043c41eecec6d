"use strict";
// The situation as a program for NumPy: the chosen way, with the numbers of the table.

/** The lines of each part of a way; `s` is the situation. */
const LINES_OF = {
  loss: {
    lse: s => `np.log(e.sum()) - (z - most)[${s.label}]  # log-sum-exp: no log of p`,
    log: () => "-(t * np.log(p)).sum()",
    floored: s => `-np.log(max(p[${s.label}], floor))`,
    clipped: s => `-np.log(np.clip(p, 1e-7, 1 - 1e-7)[${s.label}])`,
  },
  dp: {
    right: () => "-t / p / N",
    floored: () => "np.where(t > 0, -t / np.maximum(p, floor) / N, 0)",
    clipped: () => "np.where(p == np.clip(p, 1e-7, 1 - 1e-7), -t / p / N, 0)",
    posted: () => "(p - t) / N  # passed off as it",
  },
  dz: {
    whole: () => "p * (g - (g * p).sum())  # J.T @ g, as J = np.diag(p) - np.outer(p, p)",
    diagonal: () => "g * (p * (1 - p))  # the diagonal of J alone",
    batch: ({ settings, classes }) => (settings.batch === 1 ? "g * (p * (1 - p))  # np.eye(1) is a 1"
      : settings.batch === classes ? `g * (p * (np.eye(N, dtype=z.dtype)[${settings.row}] - p))` : "None  # np.eye(N) - p can't be computed"),
    logits: ({ classes }) => `(z[:, None] * (np.eye(${classes}, dtype=z.dtype) - z)).T @ g  # logits in the place of p`,
  },
};

function programOf(s) {
  const { way, settings, label } = s, name = page.classes[label].replace(/\s+/g, " "), least = settings.bits === 32 ? "1e-30" : "1e-300";
  return `import numpy as np

np.set_printoptions(4, suppress=True, linewidth=76)
z = np.array([
${s.z.map(x => `    ${x},\n`).join("")}], np.float${settings.bits})
t = np.eye(${s.classes}, dtype=z.dtype)[${label}]  # the true class is ${name}
N = ${settings.batch}
most = ${settings.unshifted ? "0  # not subtracted" : "z.max()"}
e = np.exp(z - most)
p = e / e.sum()  # softmax
floor = z.dtype.type(${least})
${way.floor ? "p = np.maximum(p, floor)\n" : ""}# "${way.title}"
L = ${LINES_OF.loss[way.loss](s)}
${way.dp ? `g = ${LINES_OF.dp[way.dp]()}  # dL/dp` : "g = None  # dL/dp: not computed"}
dz = ${way.jacobian ? LINES_OF.dz[way.jacobian](s) : "(p - t) / N"}
print("L", L)
print("p", p, sep="\\n")
print("dL/dp", g, sep="\\n")
print("dL/dz", dz, sep="\\n")
print("(p - t) / N", (p - t) / N, sep="\\n")`;
}
