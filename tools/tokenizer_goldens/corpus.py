# SPDX-License-Identifier: Apache-2.0
"""The sentences that the small vocabularies are trained on, written for this purpose."""

import random

SENTENCES = """\
The picture shows a red bicycle that leans against a stone wall.
Two children are playing with a brown dog on the grass, and a kite flies above them.
What is the man in the blue jacket holding in his left hand?
There's a bowl of oranges on the table; it's next to a vase with yellow flowers.
I can't see any text in this image, but there are several road signs.
They've parked the truck beside the river, where the boats are tied up.
She'll arrive at 10:45 on platform 3, and we're waiting in the station.
A close-up photograph of a wooden door with a rusty handle and peeling paint.
How many people are there in the room, and what are they doing?
The sky is cloudy, the street is wet, and most of the shops are closed.
In the background you can make out mountains covered with snow.
Please describe the scene in detail, from the foreground to the background.
The number 1234567890 is printed on the ticket, along with the date 2024-06-07.
An old woman sits on a bench and feeds the pigeons in the square.
The cat's tail is longer than the other cats' tails, isn't it?
It would've been better if you'd taken the photograph in the morning.
Could you tell me which of these two birds is a sparrow?
The assistant gives helpful, detailed, and polite answers to the human's questions.
He said: "I'm sure that we'd better go home now, before it starts to rain!"
Some of the windows have been broken, others have been boarded up.
A train, a plane and a ship appear together on the cover of the magazine.
The colours of the painting are warm: orange, brown, gold and a little green.
    if width <= 0 or height <= 0:
        raise ValueError("the size must be positive")
    return sum(values[index] for index in range(len(values))) / len(values)
for (let i = 0; i < rows.length; i++) { total += rows[i].price * rows[i].count; }
Auf dem Bild steht eine grüne Bank unter einem großen Baum, und daneben läuft ein Hund.
Die Straßenbahn fährt über die Brücke; im Fluss spiegeln sich die Häuser.
Sur la photo, une fillette tient un cerf-volant près de l'église où l'on a célébré la fête.
El niño pequeño está sentado en una silla roja y come una manzana.
Na zdjęciu widać żółtą łódź i dwóch rybaków.
На картинке изображён старый дом с красной крышей и большим садом.
Στην εικόνα φαίνεται μια μικρή βάρκα δίπλα στην παραλία.
في الصورة قطة بيضاء تجلس على كرسي خشبي قرب النافذة.
בתמונה נראה כלב קטן רץ על החוף.
चित्र में एक लड़की लाल साइकिल चला रही है।
ในภาพมีแมวสีขาวนั่งอยู่บนเก้าอี้
写真には、赤い自転車と大きな木が写っています。
图片中有一只白色的猫坐在窗边的椅子上。
사진에는 빨간 자전거와 큰 나무가 있습니다.
"""


def training_text(seed: int, repetitions: int) -> list[str]:
    """The sentences, and shuffles of their words, so that many pairs repeat."""
    generator = random.Random(seed)
    lines = SENTENCES.splitlines()
    words = [word for line in lines for word in line.split(" ") if word]
    shuffled = [
        " ".join(generator.choices(words, k=generator.randint(3, 14)))
        for _ in range(repetitions * len(lines))
    ]
    return lines * 4 + shuffled
