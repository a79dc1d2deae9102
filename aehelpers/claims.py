"""The claims that the book tests, and the verdicts that follow from its measurements."""

from html import escape

from aehelpers.checks import check_dict
import numpy as np

#: What each claim says, by its id.
CLAIMS = {
    "C01": "An autoencoder is a feed-forward network that is trained with its input as its target; "
    "it consists of an encoder, a code and a decoder.",
    "C02": "Building one takes an encoding method, a decoding method, and a loss that compares "
    "the output with the target.",
    "C03": "Autoencoders are data-specific: they compress only data like their training data.",
    "C04": "Autoencoders are lossy: the output is close to the input, but degraded.",
    "C05": "Autoencoders are trained without labels.",
    "C06": "The decoder usually mirrors the encoder, but only the sizes of input and output have "
    "to agree.",
    "C07": "Four hyperparameters matter: code size, number of layers, nodes per layer, and the "
    "loss function.",
    "C08": "A smaller code compresses more.",
    "C09": "In the stacked shape the layers narrow towards the code and widen after it.",
    "C10": "For inputs in [0, 1] use cross-entropy, otherwise the mean squared error.",
    "C11": "An autoencoder is trained by back-propagation, as any network.",
    "C12": "The 784-128-32-128-784 network reconstructs digits well after five epochs.",
    "C13": "With the functional API, parts of a model such as the decoder are easily taken out.",
    "C14": "ReLU suits the inner layers, and a sigmoid the output, since the targets lie in "
    "[0, 1].",
    "C15": "Reconstructions are very similar to the input, but not exact.",
    "C16": "More layers, more nodes and a larger code let the network learn more complex codings.",
    "C17": "With too much power the network copies its input, learns no meaningful "
    "representation, overfits, and does not generalise to new instances.",
    "C18": "An undercomplete code cannot copy its input, so the network has to learn features.",
    "C19": "Random data without structure cannot be recovered from an undercomplete code.",
    "C20": "With noise added to the input and the clean image as target, the network cannot "
    "simply copy.",
    "C21": "For denoising only the call to fit changes.",
    "C22": "Gaussian noise of scale 0.4 is removed well.",
    "C23": "A convolutional network denoises better.",
    "C24": "A sparsity penalty leaves only a few nodes active for each input.",
    "C25": "A sparsity penalty works even with a large code.",
    "C26": "A sparsity penalty takes one extra argument of one layer.",
    "C27": "The sparse model's loss is about 0.01 higher, due to the penalty.",
    "C28": "The mean code value falls from 6.6 to 0.8, many values are exactly zero, and the "
    "variance falls.",
    "C29": "As compression, an autoencoder does not beat alternatives such as JPEG.",
    "C30": "t-SNE struggles above about 32 dimensions, so an autoencoder in front of it helps.",
    "C31": "A variational autoencoder learns the parameters of the data's distribution, and "
    "sampling them generates new data.",
    "C32": "Autoencoders are good at dimensionality reduction.",
}

#: The outcome if all findings bear the claim out.
HOLDS = "holds"
#: The outcome if some do.
CONDITIONAL = "holds with a condition"
#: The outcome if none does.
FAILS = "does not hold"


class Verdict:
    """The verdict on a claim, which follows from what was found; a notebook shows it.

    Parameters
    ----------
    claim : str
        Its id, such as ``"C12"``.
    findings : dict of str to bool
        What the claim entails, as sentences with the measured numbers in them, and whether the
        measurement bears each out. All of them: the claim holds. None: it does not hold. Some: it
        holds with the condition that these say.

    Raises
    ------
    ValueError
        If the claim is unknown, or there is no finding.
    TypeError
        If a finding is no sentence in one line, or neither true nor false.
    """

    def __init__(self, claim, findings):
        if claim not in list(CLAIMS):
            raise ValueError(f"claim: expected one of C01 to C{len(CLAIMS)}, got {claim!r}")
        for sentence, found in check_dict("findings", findings).items():
            if not isinstance(sentence, str) or "\n" in sentence:
                raise TypeError(f"findings: expected sentences in one line, got {sentence!r}")
            if not isinstance(found, bool | np.bool):
                raise TypeError(f"findings[{sentence!r}]: expected true or false, got {found!r}")
        self.claim = claim
        self.findings = {sentence: bool(found) for sentence, found in findings.items()}

    @property
    def outcome(self):
        """One of ``HOLDS``, ``CONDITIONAL`` and ``FAILS``."""
        if all(self.findings.values()):
            return HOLDS
        return CONDITIONAL if any(self.findings.values()) else FAILS

    def __repr__(self):
        lines = [f"{self.claim} {self.outcome}: {CLAIMS[self.claim]}"]
        lines += [f"  [{'yes' if found else 'no'}] {s}" for s, found in self.findings.items()]
        return "\n".join(lines)

    def _repr_html_(self):
        items = "".join(
            f'<li><span class="{"yes" if found else "no"}">{"yes" if found else "no"}</span> '
            f"{escape(sentence)}</li>"
            for sentence, found in self.findings.items()
        )
        return (
            f'<div class="verdict {self.outcome.replace(" ", "-")}" id="{self.claim}">'
            f"<p><strong>{self.claim} {self.outcome}.</strong> {escape(CLAIMS[self.claim])}</p>"
            f"<ul>{items}</ul></div>"
        )
