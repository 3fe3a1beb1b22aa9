"""The auditory branch of APG-MOS: a cochlea (or a Mel) front end at 40 Hz and an ECAPA-TDNN encoder."""
