// Two runs beside each other: only their figures are drawn.
watch();
