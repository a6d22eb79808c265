# SPDX-License-Identifier: Apache-2.0
"""The most common English words that prompts about pictures are made of."""

COMMON_WORDS = """
the of and to in a is that it was for on are as with his they at be this from have or by one had
not but what all were when we there can an your which their said if do will each about how up out
them then she many some so these would other into has more her two like him see time could no make
than first been its who now people my made over did down only way find use may water long little
very after words called just where most know get through back much before go good new write our
used me man too any day same right look think also around another came come work three word must
because does part even place well such here take why things help put years different away again
off went old number great tell men say small every found still between name should home big give
air line set own under read last never us left end along while might next sound below saw something
thought both few those always looked show large often together asked house world going want
school important until form food keep children feet land side without boy once animals life enough
took four head above kind began almost live page got earth need far hand high year mother light
country father let night picture being study second soon story since white ever paper hard near
sentence better best across during today however sure knew try told young sun thing whole hear
example heard several change answer room sea against top turned learn point city play toward five
himself usually money seen car morning body upon family later turn move face door cut done group
true half red fish plants living black eat short run book gave order open ground cold really table
remember tree course front space inside ago sad early learned brought close nothing though idea
before lived became add become grow draw yet less wind behind cannot letter among able dog shown
mean rest certain six feel fire ready green built special ran full town complete oh person hot
anything hold state list stood hundred ten fast felt kept notice strong voice probably area horse
matter stand box start class piece surface river common stop am talk whether fine circle blue
bring street woman women girl cat photo photograph image describe detail detailed caption scene
background foreground color colour yellow brown orange purple pink gray grey dark bright wearing
holding sitting standing walking running riding looking smiling playing eating driving parked
building window wall floor road sky cloud clouds grass field beach mountain snow bridge boat ship
train bus truck bicycle motorcycle airplane rocket bird flower flowers fruit apple banana cup glass
bottle plate bowl chair desk bed couch lamp clock phone computer laptop keyboard screen camera
umbrella bag hat shirt coat shoe shoes glasses ball game player sign text logo object objects left
right center middle corner bottom visible appears seems likely shows contains located appears
please question assistant human user helpful polite answers curious artificial intelligence chat
gives questions system provide list count describe explain translate short brief sentence
"""
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
OTHER_CHARACTERS = "éèêàâäöüßñçáíóúôîœ°–—‘’“”…•×→"
SPEAKERS = ("USER", "ASSISTANT", "USER:", "ASSISTANT:", "INST", "What", "How", "Describe", "Is")
# Made-up words are put together from these.
ONSETS = "b c d f g h j k l m n p r s t v w z br cl dr fl gr kr pl pr sk sl st tr".split()
VOWELS = "a e i o u ai ea ou".split()
ENDINGS = ["", "n", "r", "s", "l", "m", "t"]
