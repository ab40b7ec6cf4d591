/* framecache: the slot that an fcsink writes, as its pools share it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "gstfcgeometry.h"
#include "gstfcslot.h"

struct _GstFcSlot
{
  gatomicrefcount refs;

  /* One ring is made at a time; taken before `lock`, and for long. */
  GMutex making;
  GstCaps *caps;
  gchar *format;
  fc_writer_options_t options;
  guint64 history;
  guint cells;        /* for upstream, that pools asked for */
  guint64 size;       /* of a frame, that pools or frames asked for */
  gboolean shown;     /* the ring that is shown is for these caps */
  guint64 shown_size; /* and has frames of up to this size */

  /* Held for moments; who changes what follows has both. */
  GMutex lock;
  gchar *name;
  gchar *dir;
  fc_writer_t *writer;
};

GstFcSlot *
gst_fc_slot_new (void)
{
  GstFcSlot *self = g_new0 (GstFcSlot, 1);

  g_atomic_ref_count_init (&self->refs);
  g_mutex_init (&self->making);
  g_mutex_init (&self->lock);
  return self;
}

GstFcSlot *
gst_fc_slot_ref (GstFcSlot *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
gst_fc_slot_unref (GstFcSlot *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  gst_fc_slot_close (self);
  g_mutex_clear (&self->lock);
  g_mutex_clear (&self->making);
  g_free (self);
}

static void
gst_fc_slot_set_name (GstFcSlot *self, const gchar *name, const gchar *dir)
{
  g_mutex_lock (&self->lock);
  g_free (self->name);
  self->name = g_strdup (name);
  g_free (self->dir);
  self->dir = g_strdup (dir);
  g_mutex_unlock (&self->lock);
}

gboolean
gst_fc_slot_set_caps (GstFcSlot *self, GstCaps *caps, const gchar *name,
                      const fc_writer_options_t *options, guint64 history)
{
  gchar *format = gst_caps_to_string (caps);
  gboolean changed;

  g_mutex_lock (&self->making);
  changed = g_strcmp0 (format, self->format) != 0;
  if (changed)
    {
      gst_caps_replace (&self->caps, caps);
      g_free (self->format);
      self->format = g_steal_pointer (&format);
      gst_fc_slot_set_name (self, name, options->dir);
      self->options = *options;
      self->options.dir = self->dir;
      self->history = history;
      self->cells = 0;
      self->size = gst_fc_frame_size (caps, options->frame_size);
      self->shown = FALSE;
    }
  g_mutex_unlock (&self->making);
  g_free (format);
  return changed;
}

/* With `making`: for the frames that were asked for. */
static void
gst_fc_slot_get_options (GstFcSlot *self, fc_writer_options_t *options)
{
  *options = self->options;
  options->frame_size = self->size;
  options->ring_depth = gst_fc_ring_depth (self->caps, options->ring_depth,
                                           self->history, self->size);
  options->writer_cells = self->cells;
  options->format = self->format;
  options->format_size = (uint32_t) strlen (self->format);
}

/* With `making`: open the writer, or have it go on. */
static int
gst_fc_slot_make (GstFcSlot *self, fc_writer_options_t *options)
{
  fc_writer_t *writer;
  int r;

  if (self->writer != NULL && options->prepare)
    return fc_writer_prepare (self->writer, options);
  if (self->writer != NULL)
    return fc_writer_renew (self->writer, options);
  r = fc_writer_open (&writer, self->name, options);
  if (r < 0)
    return r;
  g_mutex_lock (&self->lock);
  self->writer = writer;
  g_mutex_unlock (&self->lock);
  return 1;
}

/* The same. A slot that is reserved for smaller frames than OPTIONS ask for
 * will do, if those of SIZE fit: what else was asked for is a guess, or a
 * wish. */
static int
gst_fc_slot_make_at_least (GstFcSlot *self, fc_writer_options_t *options,
                           gsize size)
{
  int r = gst_fc_slot_make (self, options);

  if (r != -EMSGSIZE || size >= options->frame_size)
    return r;
  options->frame_size = MAX (size, 1);
  return gst_fc_slot_make (self, options);
}

gboolean
gst_fc_slot_prepare (GstFcSlot *self, const GstCaps *caps, gsize size,
                     guint cells)
{
  fc_writer_options_t options;
  gboolean ready = FALSE;

  g_mutex_lock (&self->making);
  if (self->caps != NULL && gst_caps_is_equal (caps, self->caps))
    {
      guint had_cells = self->cells;
      guint64 had_size = self->size;

      self->cells = MAX (cells, had_cells);
      self->size = MAX (size, had_size);
      gst_fc_slot_get_options (self, &options);
      options.prepare = 1;
      ready = gst_fc_slot_make_at_least (self, &options, size) >= 0;
      if (!ready)
        {
          self->cells = had_cells;
          self->size = had_size;
        }
    }
  g_mutex_unlock (&self->making);
  return ready;
}

gboolean
gst_fc_slot_acquire (GstFcSlot *self, fc_writer_t **writer, fc_frame_t *frame)
{
  gboolean acquired;

  g_mutex_lock (&self->lock);
  *writer = self->writer;
  acquired = self->writer != NULL
             && fc_writer_acquire_prepared (self->writer, frame) >= 0;
  g_mutex_unlock (&self->lock);
  return acquired;
}

/* What the streaming thread alone changes it may look at as it is. */

gboolean
gst_fc_slot_has_caps (const GstFcSlot *self)
{
  return self->caps != NULL;
}

gboolean
gst_fc_slot_has_room (const GstFcSlot *self, gsize size)
{
  return self->shown && size <= self->shown_size;
}

int
gst_fc_slot_show (GstFcSlot *self, gsize size, const GString *sticky)
{
  fc_writer_options_t options;
  guint64 had_size;
  int r;

  g_mutex_lock (&self->making);
  had_size = self->size;
  if (size > self->size)
    self->size = gst_fc_grown_frame_size (self->size, size);
  gst_fc_slot_get_options (self, &options);
  options.sticky = sticky->str;
  options.sticky_size = (uint32_t) sticky->len;
  r = gst_fc_slot_make_at_least (self, &options, size);
  self->size = r >= 0 ? options.frame_size : had_size;
  if (r >= 0)
    {
      self->shown = TRUE;
      self->shown_size = self->size;
    }
  g_mutex_unlock (&self->making);
  return r;
}

fc_writer_t *
gst_fc_slot_get_writer (GstFcSlot *self)
{
  return self->writer;
}

gboolean
gst_fc_slot_get_stats (GstFcSlot *self, fc_writer_stats_t *stats)
{
  gboolean ok;

  g_mutex_lock (&self->lock);
  ok = self->writer != NULL && fc_writer_stats (self->writer, stats) == 0;
  g_mutex_unlock (&self->lock);
  return ok;
}

void
gst_fc_slot_set_latency (GstFcSlot *self, GstClockTime latency)
{
  g_mutex_lock (&self->making);
  self->options.latency_ns = latency;
  if (self->writer != NULL)
    fc_writer_set_latency (self->writer, latency);
  g_mutex_unlock (&self->making);
}

guint
gst_fc_slot_count_consumers (GstFcSlot *self)
{
  guint consumers = 0;

  g_mutex_lock (&self->lock);
  if (self->writer != NULL)
    consumers = (guint) fc_writer_consumers (self->writer);
  g_mutex_unlock (&self->lock);
  return consumers;
}

void
gst_fc_slot_foreach_consumer (GstFcSlot *self, fc_consumer_func_t func,
                              gpointer user_data)
{
  gchar *name, *dir;

  g_mutex_lock (&self->lock);
  name = g_strdup (self->name);
  dir = g_strdup (self->dir);
  g_mutex_unlock (&self->lock);
  if (name != NULL)
    fc_slot_consumers (dir, name, func, user_data);
  g_free (name);
  g_free (dir);
}

void
gst_fc_slot_close (GstFcSlot *self)
{
  fc_writer_t *writer;

  g_mutex_lock (&self->making);
  g_mutex_lock (&self->lock);
  writer = g_steal_pointer (&self->writer);
  g_mutex_unlock (&self->lock);
  fc_writer_close (writer);
  gst_fc_slot_set_name (self, NULL, NULL);
  gst_clear_caps (&self->caps);
  g_clear_pointer (&self->format, g_free);
  self->shown = FALSE;
  g_mutex_unlock (&self->making);
}
