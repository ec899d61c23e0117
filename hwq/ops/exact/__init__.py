"""Ops of the exact graph that never reach hardware: the passes realise them as circuits."""
