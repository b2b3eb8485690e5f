"""Provide the initial text templates for chest X-rays and cardiac MRI.

Each text is a start that the doctor completes for the scan at hand. Square brackets mark what differs from scan to
scan, and a reading that still holds such a gap cannot be signed (`report_templates.unfilled`). The texts follow the
usual order of reports: airways, lungs, pleura, heart and mediastinum, bones; chambers, walls, pericardium. They
measure nothing that one uploaded picture cannot show. No template fills in the diagnosis: only the doctor does.
"""

from csss.scans.states import ScanKind

_X, _M = ScanKind.CHEST_XRAY, ScanKind.CARDIAC_MRI

# (key, kind or None for any scan, title, findings, impression); a key is never reused for another text.
STARTER: tuple[tuple[str, ScanKind | None, str, str, str], ...] = (
    (
        "cxr-normal",
        _X,
        "Normal chest",
        "Trachea central. Both lungs are clear, with no focal consolidation, nodule or mass. No pleural effusion and no "
        "pneumothorax. Heart size and mediastinal contours are within normal limits. No acute bony abnormality is seen.",
        "No acute cardiopulmonary abnormality.",
    ),
    (
        "cxr-consolidation",
        _X,
        "Consolidation",
        "Airspace opacity in the [right/left] [upper/middle/lower] zone, [with/without] air bronchograms. "
        "[No volume loss.] The remaining lung is clear. No pleural effusion and no pneumothorax. "
        "Heart size is within normal limits.",
        "[Right/left] [upper/middle/lower] zone consolidation. In keeping with infection if the clinical picture fits; "
        "follow-up radiograph in six weeks is suggested to confirm that it has cleared.",
    ),
    (
        "cxr-effusion",
        _X,
        "Pleural effusion",
        "Blunting of the [right/left] costophrenic angle with a meniscus, in keeping with a [small/moderate/large] pleural "
        "effusion. [No mediastinal shift.] The lung above it is clear; consolidation or a mass beneath the effusion cannot "
        "be excluded. No pneumothorax.",
        "[Small/moderate/large] [right/left] pleural effusion. [Ultrasound if it is to be characterised or drained.]",
    ),
    (
        "cxr-cardiomegaly",
        _X,
        "Enlarged heart",
        "The cardiac silhouette is enlarged, with a cardiothoracic ratio above 0.5 [on a PA view]. Pulmonary vessels are "
        "[normal/prominent with upper lobe diversion]. No pleural effusion and no focal consolidation.",
        "Cardiomegaly [without/with] signs of congestion. [On an AP view heart size is overestimated.] "
        "Echocardiography is suggested if not known.",
    ),
    (
        "cxr-congestion",
        _X,
        "Congestion, pulmonary oedema",
        "Enlarged cardiac silhouette. Upper lobe vascular diversion, perihilar haziness and [Kerley B lines]. "
        "[Small bilateral pleural effusions.] No pneumothorax.",
        "Appearances in keeping with [interstitial/alveolar] pulmonary oedema.",
    ),
    (
        "cxr-bilateral-opacities",
        _X,
        "Bilateral peripheral opacities",
        "Bilateral, predominantly peripheral and basal, patchy airspace opacities. No pleural effusion, no cavitation. "
        "Heart size is within normal limits.",
        "Bilateral peripheral opacities. Viral pneumonia, COVID-19 among others, is a possible cause; to be correlated with "
        "the clinical picture and laboratory tests.",
    ),
    (
        "cxr-interstitial",
        _X,
        "Increased interstitial markings",
        "Increased [reticular/perihilar] interstitial markings [bilaterally]. No focal consolidation, no pleural effusion. "
        "Heart size is within normal limits.",
        "Increased interstitial markings. [Viral or atypical infection, oedema or chronic interstitial disease are to be "
        "considered.] Comparison with earlier pictures is advised.",
    ),
    (
        "cxr-pneumothorax",
        _X,
        "Pneumothorax",
        "Visible [right/left] visceral pleural line with absent lung markings beyond it; rim of about [..] cm at the "
        "[apex/hilum]. Mediastinum [central/shifted to the right/shifted to the left].",
        "[Right/left] pneumothorax [with/without] signs of tension. [The treating team has been informed at .. by ..]",
    ),
    (
        "cxr-atelectasis",
        _X,
        "Atelectasis",
        "[Linear/lobar] opacity in the [right/left] [upper/middle/lower] zone with signs of volume loss. No pleural "
        "effusion and no pneumothorax.",
        "[Right/left] [basal/lobar] atelectasis.",
    ),
    (
        "cxr-nodule",
        _X,
        "Nodule or mass",
        "[Well/ill]-defined rounded opacity of about [..] in the [right/left] [upper/middle/lower] zone. [No calcification, "
        "no cavitation.] Hila and mediastinum are unremarkable. No pleural effusion.",
        "Pulmonary [nodule/mass] that needs further work-up: comparison with earlier pictures and CT are advised.",
    ),
    (
        "mri-normal",
        _M,
        "Normal cardiac MRI",
        "In the picture submitted, the ventricles are of normal size and wall thickness. The atria are not enlarged. "
        "No pericardial effusion. The great vessels shown are unremarkable.",
        "No abnormality in the picture submitted. Function, flow and late enhancement cannot be judged from one picture.",
    ),
    (
        "mri-dilated-lv",
        _M,
        "Dilated left ventricle",
        "The left ventricle is dilated with [normal/thinned] walls. Right ventricle [normal/dilated]. "
        "[No pericardial effusion.]",
        "Dilated left ventricle. Volumes, ejection fraction and late gadolinium enhancement from the full study are needed "
        "to tell the cause.",
    ),
    (
        "mri-hypertrophy",
        _M,
        "Thickened myocardium",
        "[Concentric/asymmetric septal] thickening of the left ventricular myocardium. Cavity size [normal/reduced]. "
        "[No pericardial effusion.]",
        "Left ventricular hypertrophy, [concentric/asymmetric]. To be correlated with blood pressure, valves and late "
        "gadolinium enhancement.",
    ),
    (
        "mri-pericardial-effusion",
        _M,
        "Pericardial effusion",
        "Fluid around the heart, [circumferential/localised], about [..] at its widest. The ventricles are of normal size.",
        "[Small/moderate/large] pericardial effusion. Haemodynamic effect cannot be judged from a single picture.",
    ),
    (
        "any-limited",
        None,
        "Limited quality",
        "The quality of the picture is limited by [rotation/under-inspiration/exposure/motion/cropping], which reduces the "
        "confidence of this reading.",
        "",
    ),
    (
        "any-unchanged",
        None,
        "Unchanged since the earlier scan",
        "Compared with the scan of [date], no significant change.",
        "No significant change since [date].",
    ),
)
