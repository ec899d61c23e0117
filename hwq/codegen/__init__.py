"""Hardware graphs rendered as HLS projects: templates, ROM initialisers, files with a digest."""
