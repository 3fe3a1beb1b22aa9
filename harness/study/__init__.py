"""Studies: variants of a predictor trained, scored and tabulated beside the published column.

``model.py`` reads the YAML file, ``plan.py`` resolves rows to recipes, ``training.py`` trains or reuses, ``execute.py``
runs the rows, ``figures.py`` holds published figures, ``tables.py`` and ``report.py`` make the tables.
"""

from .model import Reuse, Study, StudyRow, read_study, study_names

__all__ = ["Reuse", "Study", "StudyRow", "read_study", "study_names"]
