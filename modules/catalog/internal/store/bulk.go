package store

import (
	"context"

	"stoa/platform/db"
)

// Change is a product as it was and as it is to be.
type Change struct{ Before, After *Product }

// UpdateProducts changes many products and makes them found by their new words
// last, when all else is written: the index of words writes what it
// has gathered whenever another statement of many rows begins.
func UpdateProducts(ctx context.Context, tx *db.Tx, changes []Change, places Places) error {
	for _, c := range changes {
		if err := updateProductRows(ctx, tx, c.Before, c.After, places); err != nil {
			return err
		}
	}
	var found []*Product
	for _, c := range changes {
		if searchText(c.Before) != searchText(c.After) {
			found = append(found, c.After)
		}
	}
	return replaceSearch(ctx, tx, found)
}

// updateProductRows changes all of a product but the words it is found by.
func updateProductRows(ctx context.Context, tx *db.Tx, before, after *Product, places Places) error {
	if _, err := updateProduct.Exec(ctx, tx, after.Number, after.Slug, after.Title, after.Description, after.Status, after.Vendor,
		after.ProductType, db.NewJSON(after.Tags), db.NewJSON(after.Images), db.NewJSON(after.Options), after.Version,
		db.NewTime(after.UpdatedAt)); err != nil {
		return err
	}
	if err := updateVariants(ctx, tx, before, after); err != nil {
		return err
	}
	if !sameCategories(before, after) {
		if _, err := dropMemberships.Exec(ctx, tx, after.Number); err != nil {
			return err
		}
		if err := addMemberships(ctx, tx, []*Product{after}, places); err != nil {
			return err
		}
	}
	return relist(ctx, tx, before, after, places)
}
