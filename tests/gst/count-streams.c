/* framecache: eight slots and their readers, who count
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * count-streams DIRECTORY
 *
 * Writes cam0 to cam7 in FC_DIR and reads each from its first frame on: those
 * with an even number by FC_DIR, the others by the registry, as DIRECTORY is
 * where they look for slots, and has none. Prints "ready" when all readers have
 * frames. A line on standard input changes the pictures' size, and with it each
 * slot's generation, once all readers have come to the one before, which is
 * gone then; it is answered by a line of the same word. When that ends, the
 * streams do, and what was counted is printed, for each slot one line: SLOT
 * WRITTEN WRITER-DROPPED DELIVERED DROPPED SKIPPED RECONNECTS
 */
#include <gst/gst.h>
#include <stdio.h>
#include <stdlib.h>

#define SLOTS 8
#define PATIENCE (60 * G_TIME_SPAN_SECOND)

/* Eight seconds of history: how long the bus may be of no use. */
#define WRITER                                                                 \
  "videotestsrc is-live=true ! capsfilter name=size caps=%s ! fcsink name=end" \
  " slot=cam%u ring-depth=400"
#define READER                                                                 \
  "fcsrc name=end slot=cam%u start=oldest attach=%s %s%s ! fakesink"
#define SIZE "video/x-raw,format=GRAY8,height=16,framerate=50/1,width=%u"

typedef struct
{
  GstElement *pipeline;
  GstElement *end; /* fcsink or fcsrc */
} Line;

static Line writers[SLOTS], readers[SLOTS];

static void
start (Line *self, gchar *text)
{
  GError *error = NULL;

  self->pipeline = gst_parse_launch (text, &error);
  g_assert_no_error (error);
  self->end = gst_bin_get_by_name (GST_BIN (self->pipeline), "end");
  gst_element_set_state (self->pipeline, GST_STATE_PLAYING);
  g_free (text);
}

static void
stop (Line *self)
{
  gst_element_set_state (self->pipeline, GST_STATE_NULL);
  gst_object_unref (self->end);
  gst_object_unref (self->pipeline);
}

static guint64
count (Line *self, const gchar *field)
{
  GstStructure *stats;
  guint64 value = 0;
  guint small = 0;

  g_object_get (self->end, "stats", &stats, NULL);
  if (!gst_structure_get_uint64 (stats, field, &value)
      && gst_structure_get_uint (stats, field, &small))
    value = small;
  gst_structure_free (stats);
  return value;
}

/* Until FIELD of each of LINES is AT_LEAST. */
static void
wait_for (Line *lines, const gchar *field, guint64 at_least)
{
  gint64 end = g_get_monotonic_time () + PATIENCE;
  guint i;

  for (i = 0; i < SLOTS; i++)
    while (count (&lines[i], field) < at_least)
      {
        if (g_get_monotonic_time () > end)
          g_error ("cam%u: %s is still below %" G_GUINT64_FORMAT, i, field,
                   at_least);
        g_usleep (1000);
      }
}

/* The streams have ended in good order. */
static void
wait_for_end (Line *self)
{
  GstBus *bus = gst_element_get_bus (self->pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered (
      bus, PATIENCE * 1000, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  GError *error = NULL;

  if (message == NULL)
    g_error ("%s never ended", GST_OBJECT_NAME (self->end));
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, NULL);
  g_assert_no_error (error);
  gst_message_unref (message);
  gst_object_unref (bus);
}

static void
change_size (guint generation)
{
  gchar *text = g_strdup_printf (SIZE, 16 * generation);
  GstCaps *caps = gst_caps_from_string (text);
  guint i;

  wait_for (readers, "reconnects", generation - 2);
  for (i = 0; i < SLOTS; i++)
    {
      GstElement *size
          = gst_bin_get_by_name (GST_BIN (writers[i].pipeline), "size");

      g_object_set (size, "caps", caps, NULL);
      gst_object_unref (size);
    }
  wait_for (writers, "generation", generation);
  gst_caps_unref (caps);
  g_free (text);
}

int
main (int argc, char **argv)
{
  gchar *size = g_strdup_printf (SIZE, 16);
  guint i, generation = 1;
  gchar line[32];

  gst_init (&argc, &argv);
  if (argc != 2)
    return 2;
  for (i = 0; i < SLOTS; i++)
    {
      gboolean by_bus = i % 2;

      start (&writers[i], g_strdup_printf (WRITER, size, i));
      start (&readers[i],
             g_strdup_printf (READER, i, by_bus ? "bus" : "directory",
                              by_bus ? "directory=" : "",
                              by_bus ? argv[1] : ""));
    }
  wait_for (readers, "delivered", 1);
  puts ("ready");
  fflush (stdout);
  while (fgets (line, sizeof line, stdin) != NULL)
    {
      change_size (++generation);
      fputs (line, stdout);
      fflush (stdout);
    }
  for (i = 0; i < SLOTS; i++)
    gst_element_send_event (writers[i].pipeline, gst_event_new_eos ());
  for (i = 0; i < SLOTS; i++)
    {
      wait_for_end (&writers[i]);
      wait_for_end (&readers[i]);
      printf ("cam%u %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
              " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
              " %" G_GUINT64_FORMAT "\n",
              i, count (&writers[i], "frames"), count (&writers[i], "dropped"),
              count (&readers[i], "delivered"), count (&readers[i], "dropped"),
              count (&readers[i], "skipped"),
              count (&readers[i], "reconnects"));
    }
  for (i = 0; i < SLOTS; i++)
    {
      stop (&readers[i]);
      stop (&writers[i]);
    }
  g_free (size);
  return 0;
}
