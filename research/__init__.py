"""Studies made once, behind what the generator, the splicing and the labels are said to be."""
