/* framecache: fcsink's statistics
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "gstfcsink-private.h"

typedef struct
{
  guint64 head;
  GValue list;
} Consumers;

static int
add_consumer (const fc_consumer_stat_t *stat, void *user_data)
{
  Consumers *consumers = user_data;
  guint64 lag
      = consumers->head > stat->cursor ? consumers->head - stat->cursor : 0;
  GValue value = G_VALUE_INIT;

  g_value_init (&value, GST_TYPE_STRUCTURE);
  g_value_take_boxed (
      &value,
      gst_structure_new ("consumer", "name", G_TYPE_STRING, stat->name, "pid",
                         G_TYPE_UINT, stat->pid, "lag", G_TYPE_UINT64, lag,
                         "delivered", G_TYPE_UINT64, stat->delivered, "dropped",
                         G_TYPE_UINT64, stat->dropped, "leases", G_TYPE_UINT,
                         stat->leases, NULL));
  gst_value_list_append_and_take_value (&consumers->list, &value);
  return 0;
}

GstStructure *
gst_fc_sink_stats_new (GstFcSink *self)
{
  fc_writer_stats_t stats = FC_WRITER_STATS_INIT;
  Consumers consumers = { 0, G_VALUE_INIT };
  guint64 copied, zero_copy;
  GstStructure *s;

  g_value_init (&consumers.list, GST_TYPE_LIST);
  if (gst_fc_slot_get_stats (self->ring, &stats))
    {
      consumers.head = stats.head;
      gst_fc_slot_foreach_consumer (self->ring, add_consumer, &consumers);
    }
  GST_OBJECT_LOCK (self);
  copied = self->copied;
  zero_copy = self->zero_copy;
  GST_OBJECT_UNLOCK (self);

  s = gst_structure_new (
      "application/x-framecache-sink-stats", "frames", G_TYPE_UINT64,
      stats.frames, "bytes", G_TYPE_UINT64, stats.bytes, "copied",
      G_TYPE_UINT64, copied, "zero-copy", G_TYPE_UINT64, zero_copy,
      "history-shortened", G_TYPE_UINT64, stats.history_shortened, "dropped",
      G_TYPE_UINT64, stats.dropped, "head", G_TYPE_UINT64, stats.head,
      "generation", G_TYPE_UINT, stats.generation, "epoch", G_TYPE_UINT,
      stats.epoch, "bytes-allocated", G_TYPE_UINT64, stats.bytes_allocated,
      "cells-out", G_TYPE_UINT, stats.cells_out, NULL);
  gst_structure_take_value (s, "consumers", &consumers.list);
  return s;
}
