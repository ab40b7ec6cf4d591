/* The sizes of a ring: from a writer's options, and from a header that some
 * other process wrote.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>
#include <unistd.h>

#include "fc-private.h"

#define DEFAULT_DEPTH 120
#define DEFAULT_CONSUMERS 64
#define DEFAULT_LEASES 4
#define DEFAULT_WRITER_CELLS 2
#define SPARE_CELLS 2
#define MAX_FRAME (UINT64_C (1) << 40)

int
fc_geometry (fc_geometry_t *geo, uint64_t frame_size, uint32_t depth,
             uint32_t consumers, uint32_t leases, uint32_t writer_cells,
             uint64_t format_capacity)
{
  uint64_t page = (uint64_t) sysconf (_SC_PAGESIZE);
  uint64_t cells
      = (uint64_t) depth + (uint64_t) consumers * leases + writer_cells;
  uint64_t at;

  if (frame_size == 0 || frame_size > MAX_FRAME)
    return fc_fail (
        -EINVAL, "the frame size is %llu bytes; it must be 1 to %llu",
        (unsigned long long) frame_size, (unsigned long long) MAX_FRAME);
  if (depth < 2 || consumers == 0 || leases < 2 || writer_cells == 0)
    return fc_fail (-EINVAL,
                    "a ring needs a depth of 2 or more, 1 consumer, 2 leases "
                    "and 1 writer cell; asked for %u, %u, %u and %u",
                    depth, consumers, leases, writer_cells);
  if (cells > FC_CELLS_MAX)
    return fc_fail (-EINVAL,
                    "depth %u + %u consumers x %u leases + %u writer cells "
                    "are %llu cells; a ring has at most %u: ask for a "
                    "smaller depth, or fewer consumers or leases",
                    depth, consumers, leases, writer_cells,
                    (unsigned long long) cells, FC_CELLS_MAX);
  if (format_capacity > FC_FORMAT_MAX)
    return fc_fail (-EMSGSIZE, "the format is %llu bytes; the limit is %u",
                    (unsigned long long) format_capacity, FC_FORMAT_MAX);

  memset (geo, 0, sizeof *geo);
  geo->frame_size = frame_size;
  geo->ring_depth = depth;
  geo->max_consumers = consumers;
  geo->leases = leases;
  geo->writer_cells = writer_cells;
  geo->format_capacity = format_capacity;
  geo->cells_planned = (uint32_t) cells;
  geo->cells_initial = depth + writer_cells + SPARE_CELLS;

  geo->meta_offset = FC_ALIGN (frame_size, 64);
  geo->cell_stride = FC_ALIGN (geo->meta_offset + FC_META_MAX, page);

  at = FC_ALIGN (sizeof (fc_ring_header_t), FC_LINE);
  geo->words_offset = at;
  at += sizeof (fc_words_t);
  geo->map_offset = at;
  at = FC_ALIGN (at + (uint64_t) depth * 8, FC_LINE);
  geo->headers_offset = at;
  at += cells * sizeof (fc_cell_header_t);
  geo->sticky_offset = at;
  at = FC_ALIGN (at + 2 * sizeof (fc_sticky_t), FC_LINE);
  geo->format_offset = at;
  geo->cells_offset = FC_ALIGN (at + format_capacity, page);

  geo->ring_initial = fc_cell_offset (geo, geo->cells_initial);
  geo->ring_planned = fc_cell_offset (geo, geo->cells_planned);
  if (geo->ring_planned > SIZE_MAX / 2)
    return fc_fail (-EINVAL,
                    "%u cells of %llu bytes do not fit in an address space",
                    geo->cells_planned, (unsigned long long) geo->cell_stride);

  geo->entry_stride
      = FC_ALIGN ((uint32_t) sizeof (fc_entry_t) + leases * 4, FC_LINE);
  geo->entries_offset
      = FC_ALIGN (FC_ATTACHED_OFFSET + (consumers + 63) / 64 * 8, FC_LINE);
  geo->table_size = FC_ALIGN (
      geo->entries_offset + (uint64_t) consumers * geo->entry_stride, page);
  return 0;
}

int
fc_geometry_of_options (fc_geometry_t *geo, const fc_writer_options_t *options)
{
  return fc_geometry (geo, options->frame_size, options->ring_depth,
                      options->max_consumers, options->leases,
                      options->writer_cells, options->format_size);
}

static int
check_share (const fc_writer_options_t *options)
{
  if ((unsigned) options->access > FC_SHARE_ALL
      || (unsigned) options->trust > FC_SHARE_ALL)
    return fc_fail (-EINVAL, "access and trust are user, group or all");
  if (options->access < options->trust)
    return fc_fail (-EINVAL,
                    "access is narrower than trust: who may hold leases must "
                    "be allowed to read");
  if (options->observers > 1 || options->prepare > 1 || options->owner_set > 1)
    return fc_fail (-EINVAL,
                    "observers, prepare and owner_set are 0 or 1, not %u, %u "
                    "and %u",
                    options->observers, options->prepare, options->owner_set);
  return 0;
}

int
fc_take_writer_options (fc_writer_options_t *into,
                        const fc_writer_options_t *from)
{
  int r = fc_take_writer_sizes (into, from);

  if (r == 0 && into->format_size > 0 && into->format == NULL)
    return fc_fail (-EINVAL, "format_size is %u, but format is NULL",
                    into->format_size);
  return r;
}

int
fc_take_writer_sizes (fc_writer_options_t *into,
                      const fc_writer_options_t *from)
{
  int r;

  if (from == NULL)
    return fc_fail (-EINVAL, "a writer needs options: frame_size at least");
  r = fc_check_struct ("fc_writer_options_t", from->struct_size, sizeof *from);
  if (r < 0)
    return r;
  *into = *from;
  if (into->ring_depth == 0)
    into->ring_depth = DEFAULT_DEPTH;
  if (into->max_consumers == 0)
    into->max_consumers = DEFAULT_CONSUMERS;
  if (into->leases == 0)
    into->leases = DEFAULT_LEASES;
  if (into->writer_cells == 0)
    into->writer_cells = DEFAULT_WRITER_CELLS;
  if (into->sticky_size > FC_STICKY_MAX)
    return fc_fail (-EMSGSIZE, "the sticky block has %u bytes; the limit is %u",
                    into->sticky_size, FC_STICKY_MAX);
  if (into->first_seq > INT64_MAX)
    return fc_fail (-EINVAL, "first_seq is above 2^63 - 1");
  return check_share (into);
}

static int
check_machine (const fc_ring_header_t *h, const char *path)
{
  uint32_t page = (uint32_t) sysconf (_SC_PAGESIZE);

  if (memcmp (h->magic, FC_RING_MAGIC, sizeof h->magic) != 0)
    return fc_fail (-EPROTO,
                    "%s is not a framecache ring; remove it, or use another "
                    "slot name",
                    path);
  if (h->byte_order != FC_BYTE_ORDER)
    return fc_fail (-EPROTO,
                    "%s was made by a machine of another byte order; its "
                    "writer must run on this machine",
                    path);
  if (h->layout_version != FC_LAYOUT_VERSION
      || h->header_size != sizeof (fc_ring_header_t))
    return fc_fail (-EPROTO,
                    "%s has layout version %u (header of %u bytes), this "
                    "library knows version %u: use the same framecache on "
                    "both sides",
                    path, h->layout_version, h->header_size, FC_LAYOUT_VERSION);
  if (h->page_size != page)
    return fc_fail (-EPROTO,
                    "%s was laid out for pages of %u bytes, here they have "
                    "%u; its writer must run on this machine",
                    path, h->page_size, page);
  return 0;
}

int
fc_check_ring_header (const fc_ring_header_t *h, uint64_t file_size,
                      const char *path, fc_geometry_t *geo)
{
  uint64_t format_size
      = atomic_load_explicit (&h->format_size, memory_order_relaxed);
  int r = check_machine (h, path);

  if (r < 0)
    return r;
  if (fc_geometry (geo, h->frame_size, h->ring_depth, h->max_consumers,
                   h->leases, h->writer_cells, h->format_capacity)
          < 0
      || geo->cells_planned != h->cells_planned
      || geo->cell_stride != h->cell_stride
      || geo->words_offset != h->words_offset
      || geo->map_offset != h->map_offset
      || geo->sticky_offset != h->sticky_offset
      || geo->headers_offset != h->headers_offset
      || geo->format_offset != h->format_offset
      || geo->cells_offset != h->cells_offset || h->access > FC_SHARE_ALL
      || h->trust > h->access || h->observers > 1 || h->reserved > 1
      || h->first_seq > INT64_MAX || h->lineage_first > h->first_seq
      || format_size > h->format_capacity)
    return fc_fail (-EPROTO,
                    "%s is damaged: its header contradicts itself; restart "
                    "its writer, or remove the slot",
                    path);
  if (file_size < geo->cells_offset)
    return fc_fail (-EPROTO,
                    "%s is truncated: %llu bytes, its control area alone has "
                    "%llu; restart its writer, or remove the slot",
                    path, (unsigned long long) file_size,
                    (unsigned long long) geo->cells_offset);
  return 0;
}

int
fc_check_table_header (const fc_table_header_t *h, const fc_geometry_t *geo,
                       uint64_t id, uint64_t file_size, const char *path)
{
  if (memcmp (h->magic, FC_TABLE_MAGIC, sizeof h->magic) != 0
      || h->layout_version != FC_LAYOUT_VERSION || h->header_size != sizeof *h
      || h->id != id || h->entries != geo->max_consumers
      || h->leases != geo->leases || h->entry_stride != geo->entry_stride
      || h->entries_offset != geo->entries_offset
      || file_size < geo->table_size)
    return fc_fail (-EPROTO,
                    "%s is damaged: it is not the consumer table of its "
                    "ring; restart the slot's writer",
                    path);
  return 0;
}
