package rig

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"stoa/platform/money"
)

// The words that made products are named with; searches look for them.
var (
	qualities = strings.Fields("amber brisk coastal dusky evergreen faded gentle hollow ivory jagged keen lunar mellow nimble ochre plain quiet rustic silver tidal umber velvet woven yellow zesty")
	materials = strings.Fields("oak linen brass clay cotton glass granite leather maple marble paper pewter pine rattan silk slate steel walnut wicker wool")
	things    = strings.Fields("basket bench bottle bowl brush candle chair clock cup curtain desk drawer frame jar kettle knife lamp mirror mug pan pillow plate rug shelf sofa spoon stool table teapot tray vase wardrobe")
	places    = strings.Fields("attic bathroom bedroom cellar garden hall kitchen library office porch studio terrace")
	phrases   = strings.Split("made by hand in small numbers|will outlast fashion and most floors|comes with a cloth and a word of advice|wants no more than a wipe now and then|has been tried by three families for a year|ships flat and is put together without tools|is finished with oil that smells of nothing|keeps its colour in the sun", "|")
	sizes     = []string{"S", "M", "L"}
)

// Words are words that searches of the made catalogue find many products by.
func Words() []string { return slices.Concat(things, qualities, materials) }

// lot draws numbers that look drawn by chance and are the same in every run
// (SplitMix64, Steele, Lea and Flood 2014).
type lot uint64

func (l *lot) draw(n int) int {
	*l += 0x9e3779b97f4a7c15
	z := uint64(*l)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return int(z>>1) % n
}

func pick(l *lot, list []string) string { return list[l.draw(len(list))] }

type madeProduct struct {
	Slug        string        `json:"slug"`
	Title       string        `json:"title"`
	Description string        `json:"description"`
	Status      string        `json:"status"`
	Vendor      string        `json:"vendor"`
	ProductType string        `json:"product_type"`
	Tags        []string      `json:"tags"`
	Categories  []string      `json:"categories"`
	Images      []madeImage   `json:"images"`
	Options     []madeOption  `json:"options"`
	Variants    []madeVariant `json:"variants"`
}

type madeImage struct {
	URL      string `json:"url"`
	Alt      string `json:"alt"`
	Position int    `json:"position"`
}

type madeOption struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

type madeVariant struct {
	SKU      string            `json:"sku"`
	Title    string            `json:"title"`
	Options  map[string]string `json:"options"`
	Price    money.Money       `json:"price"`
	Position int               `json:"position"`
	Weight   int               `json:"weight_grams"`
	Quantity int64             `json:"quantity"`
}

// SKU is that of the i-th made product, from 0, of which there is always enough.
func SKU(i int) string { return fmt.Sprintf("B%07d-S", i) }

// Slug is that of the i-th made product.
func Slug(i int) string { return fmt.Sprintf("made-%07d", i) }

func makeProduct(i int) madeProduct {
	l := lot(i)
	quality, material, thing, place := pick(&l, qualities), pick(&l, materials), pick(&l, things), pick(&l, places)
	p := madeProduct{
		Slug: Slug(i), Title: fmt.Sprintf("%s %s %s %d", quality, material, thing, i),
		Description: fmt.Sprintf("A %s of %s for the %s. It %s; it %s.", thing, material, place, pick(&l, phrases), pick(&l, phrases)),
		Status:      "active", Vendor: fmt.Sprintf("Maker %d", l.draw(200)), ProductType: thing,
		Tags: []string{quality, material, place}, Categories: []string{place, place + "/" + thing},
		Options: []madeOption{{"Size", sizes[:1+l.draw(len(sizes))]}},
	}
	for n := range 2 {
		p.Images = append(p.Images, madeImage{fmt.Sprintf("https://images.example.com/%s-%d.jpg", p.Slug, n+1), p.Title, n + 1})
	}
	price := int64(500 + 50*l.draw(400))
	for n, size := range p.Options[0].Values {
		p.Variants = append(p.Variants, madeVariant{
			SKU: fmt.Sprintf("B%07d-%s", i, size), Title: size, Options: map[string]string{"Size": size},
			Price: money.Money{Amount: price + int64(500*n), Currency: "USD"}, Position: n + 1, Weight: 100 + l.draw(5000),
			Quantity: 1_000_000_000,
		})
	}
	return p
}

// WriteCatalogue writes the made catalogue of n products in the JSON that
// `stoa catalog import` reads. It is the same in every run.
func WriteCatalogue(to io.Writer, n int) error {
	w := bufio.NewWriterSize(to, 1<<20)
	_, _ = w.WriteString("{\"products\":[\n") // Flush tells of what fails
	for i := range n {
		text, err := json.Marshal(makeProduct(i))
		if err != nil {
			return err
		}
		if i > 0 {
			_, _ = w.WriteString(",\n")
		}
		_, _ = w.Write(text)
	}
	_, _ = w.WriteString("\n]}\n")
	return w.Flush()
}

// Popular draws n of the numbers below of as customers do: the k-th most popular
// is asked for as 1/k (Zipf). Which those are is drawn too.
func Popular(n, of int) []int {
	sums := make([]float64, of)
	sum := 0.0
	for k := range sums {
		sum += 1 / float64(k+1)
		sums[k] = sum
	}
	l := lot(of)
	drawn := make([]int, n)
	for i := range drawn {
		at := float64(l.draw(math.MaxInt32)) / math.MaxInt32 * sum
		k, _ := slices.BinarySearch(sums, at)
		rank := lot(min(k, of-1))
		drawn[i] = rank.draw(of)
	}
	return drawn
}

// Any draws n of the numbers below of, each as likely as the other.
func Any(n, of int) []int {
	l := lot(of)
	drawn := make([]int, n)
	for i := range drawn {
		drawn[i] = l.draw(of)
	}
	return drawn
}
