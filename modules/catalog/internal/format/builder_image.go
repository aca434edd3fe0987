package format

import (
	"fmt"
	"strings"

	"stoa/modules/catalog"
)

// position reads where something stands among others. It is checked here,
// because sorting moves positions that are equal.
func (b *builder) position(c column, text string) int64 {
	n := b.number(c, text, false)
	if message := between(n, MaxPosition); message != "" {
		b.bad(c, "%s", message)
	}
	return n
}

func (b *builder) image() {
	if b.sheet.dialect.imageRows {
		if url := b.word(colImage, MaxURL); url != "" {
			b.addImage(url, b.text(colImageAlt, MaxAlt), b.imagePosition())
		}
		if url := b.word(colVariantImage, MaxURL); url != "" && len(b.pictures) < MaxVariants {
			b.pictures = append(b.pictures, sheetImage{catalog.Image{URL: url}, b.sheet.in.row})
		}
		return
	}
	cell := b.word(colImage, MaxImages*MaxURL)
	if !strings.HasPrefix(cell, "[") {
		for _, url := range splitList(cell) {
			b.addImage(url, "", noPosition)
		}
		return
	}
	images, err := parseCell[[]imageCell](cell)
	if err != nil {
		b.bad(colImage, `is neither a list of URLs nor a JSON array such as [{"url":"https://…","alt":"…","position":1}]`)
	}
	for _, image := range images {
		position := int64(noPosition)
		if image.Position != nil {
			position = *image.Position
			if message := between(position, MaxPosition); message != "" {
				b.bad(colImage, "the position of an image %s", message)
			}
		}
		b.addImage(image.URL, image.Alt, position)
	}
}

// noPosition stands for a position that the file does not name.
const noPosition = -1

func (b *builder) imagePosition() int64 {
	text := b.word(colImagePosition, MaxName)
	if text == "" {
		return noPosition
	}
	return b.position(colImagePosition, text)
}

// addImage takes an image, but not one that the product already has at this
// position or, where it names none, at any: many files repeat the image in the
// row of every variant.
func (b *builder) addImage(url, alt string, position int64) {
	if len(b.images) >= MaxImages {
		b.fault(RowError{b.record.First, "", fmt.Sprintf("the product has more than %d images", MaxImages)})
		return
	}
	for i := range b.images {
		if known := &b.images[i]; known.URL == url && (position == noPosition || position == known.Position) {
			if known.Alt == "" {
				known.Alt = alt
			}
			return
		}
	}
	if position == noPosition {
		position = 1
		if n := len(b.images); n > 0 {
			position = b.images[n-1].Position + 1
		}
	}
	b.images = append(b.images, sheetImage{catalog.Image{URL: url, Alt: alt, Position: position}, b.sheet.in.row})
}
