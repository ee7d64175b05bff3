"""One line on what each term of the page means, shown when the mouse rests on it or a screen reader reads it."""

from __future__ import annotations

import json
from pathlib import Path

TERMS = {
    # Explore
    "Pose": "Frontal, three-quarter or profile: how far the face is turned, as the dataset says or as its landmarks suggest",
    "Identity": "The person in the picture, by the name or number that the dataset gives",
    "Template (images averaged into one)": "Several images of one person whose embeddings are averaged before they are compared",
    "Source": "The collection of pictures that the row comes from",
    "Split": "Which part of the data the person belongs to: no person is in two of them",
    "Face": "Whether the detector found a face; where it found none, the network gets the whole image",
    "Yaw from (degrees)": "Yaw: how far the head is turned sideways; 0 looks into the camera, + to the image's right",
    "Yaw to (degrees)": "Yaw: how far the head is turned sideways; 0 looks into the camera, + to the image's right",
    "Detector confidence at least": "How sure the detector is (0 to 1) that what it found is a face",
    "row_id": "The name of one row of the dataset; type one and press Enter to open it",
    # Embeddings
    "Projection to the plane": "How the embedding's hundreds of numbers become two",
    "PCA": "Principal components: the two directions in which the embeddings vary most; distances are kept as well as two numbers can",
    "t-SNE": "Keeps neighbours together; distances between far groups mean nothing",
    "UMAP": "Keeps neighbours together, and more of the large picture than t-SNE; distances mean little",
    "error": "Whether the most alike other image shows another identity",
    # Pose errors
    "Error rate": "What the cells of the matrix show",
    "EER": "Equal error rate: at the threshold where as many strangers are accepted as same persons are rejected",
    "FNMR at FMR 1 %": "Share of genuine comparisons rejected, at the threshold that accepts at most 1 in 100 strangers",
    "FNMR at FMR 0.1 %": "Share of genuine comparisons rejected, at the threshold that accepts at most 1 in 1,000 strangers",
    "FNMR at FMR 0.01 %": "Share of genuine comparisons rejected, at the threshold that accepts at most 1 in 10,000 strangers",
    "Images per side": "One image against one image, or templates: several images of a person averaged into one embedding",
    "Images in which no face was found are": "Failures to acquire: how images without a found face enter the rates",
    "Compare with": "A second report on the same pairs: its difference is tested pair by pair",
    "Axes of the DET curve": "DET: both error rates at every threshold. Probit axes make normal scores a straight line; log axes spread small rates",
    "Protocol": "Which images are compared with which",
    # Model and Verify
    "Strangers accepted at most (target FMR)": "False match rate: the share of impostor comparisons that the threshold may accept",
    "Descriptor": "The embedding: the numbers that stand for a face; their cosine is the score",
    "Crop": "What is cut out of the photo before the network sees it",
    "target FMR": "The false match rate that the threshold was chosen for, on the people named under 'threshold set on'",
    "FMR measured": "False match rate: share of impostor comparisons accepted, on other people than those that set the threshold",
    "FNMR measured": "False non-match rate: share of genuine comparisons rejected, on other people than those that set the threshold",
    "FNMR at FMR": "Share of genuine comparisons rejected where at most this share of impostor comparisons is accepted",
    "genuine": "Comparisons of two images of one person",
    "impostor": "Comparisons of images of two persons",
    "failures": "Images in which no face was found",
}


def explain_terms() -> str:
    """JavaScript for the page: labels, choices and headings that are terms get their line."""
    return Path(__file__).with_suffix(".js").read_text(encoding="utf-8").replace("TERMS", json.dumps(TERMS))
