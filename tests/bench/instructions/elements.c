/* Buffers through fcsink, or through fcsrc, for the elements' instructions to
 * be counted.
 *
 * fc-instructions-gst sink|src COUNT
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <gst/gst.h>

#include "../fc-bench.h"

/* Frames of the history that fcsrc reads, three quarters of its depth. */
#define MOST 3000
#define DEPTH 4000

/* Takes LINE, and runs it to its end. */
static GstElement *
launch (char *line)
{
  GstElement *pipeline = gst_parse_launch (line, NULL);
  GstBus *bus;
  GstMessage *message;

  g_free (line);
  if (pipeline == NULL)
    {
      fprintf (stderr, "no pipeline: are the elements found?\n");
      exit (1);
    }
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 120 * GST_SECOND,
                                        GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  if (message == NULL || GST_MESSAGE_TYPE (message) != GST_MESSAGE_EOS)
    {
      fprintf (stderr, "a pipeline did not end well\n");
      exit (1);
    }
  gst_message_unref (message);
  gst_object_unref (bus);
  return pipeline;
}

/* So that a source of no pace fills memory of the ring, in small frames. */
#define WRITE                                                                  \
  "videotestsrc num-buffers=%ld ! video/x-raw,format=I420,width=32,height=16"  \
  " ! fcsink slot=bench sync=false ring-depth=" G_STRINGIFY (DEPTH)
#define READ                                                                   \
  "fcsrc slot=bench start=oldest memory=zero-copy num-buffers=%ld"             \
  " ! fakesink sync=false"

static void
drop (GstElement *pipeline)
{
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

int
main (int argc, char **argv)
{
  bool is_sink = argc == 3 && strcmp (argv[1], "sink") == 0;
  long count = argc == 3 ? atol (argv[2]) : 0;
  GstElement *writer;

  if ((!is_sink && (argc != 3 || strcmp (argv[1], "src") != 0)) || count < 1
      || count > MOST)
    {
      fprintf (stderr, "usage: fc-instructions-gst sink|src COUNT, up to %d\n",
               MOST);
      return 2;
    }
  make_bench_dir ();
  setenv ("FC_DIR", bench_dir, 1);
  gst_init (NULL, NULL);
  /* All that there is to read is there before reading begins: nothing waits. */
  writer = launch (g_strdup_printf (WRITE, is_sink ? count : MOST));
  if (!is_sink)
    drop (launch (g_strdup_printf (READ, count)));
  drop (writer);
  return 0;
}
