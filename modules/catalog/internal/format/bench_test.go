package format_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/format"
)

// products gives the nth product of a catalogue of no end: three variants with
// two options, two images and a description of some 300 bytes.
func generated(n int) format.Product {
	description := "<p>Number %d</p>\n<p>Lorem ipsum dolor sit amet, \"consectetur\" adipiscing elit. Praesent at egestas lacus.</p>\n" +
		"<p>Pellentesque quis nisl malesuada, lacinia nunc vitae, venenatis leo. Aliquam ut mauris tincidunt, mollis eros vehicula.</p>"
	p := format.Product{
		Slug: fmt.Sprintf("product-%08d", n), Title: fmt.Sprintf("Product %d", n), Description: fmt.Sprintf(description, n),
		Status: catalog.StatusActive, Vendor: "Acme", ProductType: "Shirts", Tags: []string{"red", "cotton, pre-shrunk"},
		Categories: []string{"clothes/shirts"},
		Images: []catalog.Image{
			{URL: fmt.Sprintf("https://cdn.example.com/files/%d/front.jpg?v=1623104890", n), Alt: "Front", Position: 1},
			{URL: fmt.Sprintf("https://cdn.example.com/files/%d/back.jpg?v=1623104890", n), Alt: "Back", Position: 2},
		},
		Options: []catalog.Option{{Name: "Size", Values: []string{"S", "M", "L"}}, {Name: "Color", Values: []string{"Red"}}},
	}
	for i, size := range p.Options[0].Values {
		p.Variants = append(p.Variants, format.Variant{
			SKU: fmt.Sprintf("SKU-%d-%s", n, size), Title: size + " / Red", Options: map[string]string{"Size": size, "Color": "Red"},
			Price: usd(1999), WeightGrams: 200, Position: int64(i + 1), Quantity: count(10),
		})
	}
	return p
}

// endless writes products into a pipe, so that no file stands in memory.
func endless(t testing.TB, f format.Format, products int) io.Reader {
	in, out := io.Pipe()
	go func() { // ends when all is written, or the reader is closed
		writer, err := format.NewWriter(f, out)
		for i := 0; err == nil && i < products; i++ {
			err = writer.Write(generated(i))
		}
		if err == nil {
			err = writer.Close()
		}
		_ = out.CloseWithError(err)
	}()
	t.Cleanup(func() { _ = in.Close() })
	return in
}

func BenchmarkReader(b *testing.B) {
	for _, f := range format.Formats() {
		b.Run(string(f), func(b *testing.B) {
			const products = 1000
			sample := make([]format.Product, products)
			for i := range sample {
				sample[i] = generated(i)
			}
			file := write(b, f, sample)
			rows := 0
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				for _, record := range read(b, f, file) {
					require.Empty(b, record.Errors)
					rows += max(record.Rows, len(record.Product.Variants))
				}
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "variants/s")
		})
	}
}

func BenchmarkWriter(b *testing.B) {
	for _, f := range format.Formats() {
		b.Run(string(f), func(b *testing.B) {
			writer, err := format.NewWriter(f, io.Discard)
			require.NoError(b, err)
			p := generated(1)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				require.NoError(b, writer.Write(p))
				n++
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "products/s")
		})
	}
}

func TestMemoryDoesNotGrowWithTheFile(t *testing.T) {
	const products, settled = 9_000, 1_000
	for _, f := range format.Formats() {
		reader, err := format.NewReader(f, endless(t, f, products), dollars)
		require.NoError(t, err)
		var before, after runtime.MemStats
		n := 0
		for {
			_, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			if n++; n == settled {
				runtime.GC()
				runtime.ReadMemStats(&before)
			}
		}
		require.Equal(t, products, n)
		runtime.GC()
		runtime.ReadMemStats(&after)
		// 8,000 products of some 1.5 kB went by; what stays is a hash and a
		// number of each.
		require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(2<<20), "%s", f)
	}
}
