-- Indexes for searches of spans by attributes. Placeholders: {{on_cluster}}; see docs/formats/tables.md.

-- +statement
-- Serves: attributes['order.id'] = 'o4711'. A value that is rare is looked for in the few granules that may have it, instead of in all maps. Parts
-- that are there get it when they are merged.
ALTER TABLE spans {{on_cluster}}
    ADD INDEX IF NOT EXISTS attribute_values mapValues(attributes) TYPE bloom_filter(0.01) GRANULARITY 1

-- +statement
-- Serves: resource_id IN (those with an attribute); with the index above, both halves of a condition on an attribute of span or resource.
ALTER TABLE spans {{on_cluster}}
    ADD INDEX IF NOT EXISTS resource_bloom resource_id TYPE bloom_filter(0.01) GRANULARITY 1
