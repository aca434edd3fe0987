package rig_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/app/bench/rig"
)

func TestTheCatalogueIsTheSameInEveryRun(t *testing.T) {
	t.Parallel()
	var once, again bytes.Buffer
	require.NoError(t, rig.WriteCatalogue(&once, 300))
	require.NoError(t, rig.WriteCatalogue(&again, 300))
	require.Equal(t, once.String(), again.String())
	var file struct {
		Products []struct {
			Slug     string `json:"slug"`
			Title    string `json:"title"`
			Variants []struct {
				SKU string `json:"sku"`
			} `json:"variants"`
		} `json:"products"`
	}
	require.NoError(t, json.Unmarshal(once.Bytes(), &file))
	require.Len(t, file.Products, 300)
	titles := map[string]bool{}
	for i, p := range file.Products {
		require.Equal(t, rig.Slug(i), p.Slug)
		require.Equal(t, rig.SKU(i), p.Variants[0].SKU)
		titles[p.Title] = true
	}
	require.Len(t, titles, 300)
}

func TestCustomersAskForAFewProductsMost(t *testing.T) {
	t.Parallel()
	const of = 1000
	counts := map[int]int{}
	for _, i := range rig.Popular(100_000, of) {
		require.True(t, i >= 0 && i < of)
		counts[i]++
	}
	most := 0
	for _, n := range counts {
		most = max(most, n)
	}
	// 1/H(1000) = 13.4 %; more where two ranks were drawn the same product.
	require.InDelta(t, 13_400, most, 2_000)
	require.Greater(t, len(counts), of/2)
	counts = map[int]int{}
	for _, i := range rig.Any(100_000, of) {
		counts[i]++
	}
	require.Len(t, counts, of)
}
