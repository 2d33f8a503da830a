"""Objects that are known by their key alone, as companies by their company_id: nothing is searched for them."""
