// How far an answer can be believed, by what the model's validation side says: docs/checkpoint.md of ser explains it.

/** The classes that hold the right one with probability `coverage`, or nothing where the model is not calibrated. */
export function predictionSet(calibration, probabilities, coverage) {
  if (!calibration) return null;
  const all = probabilities.map((_, index) => index);
  const rank = Math.ceil((calibration.utterances + 1) * coverage - 1e-9);
  if (rank > calibration.utterances) return all;
  const at = calibration.score_shares.findIndex(share => share >= rank / calibration.utterances - 1e-12);
  const above = of => probabilities.filter(probability => probability > of).reduce((sum, p) => sum + p, 0);
  return all.filter(index => above(probabilities[index]) <= calibration.scores[at]);
}
