/* framecache: what the element tests share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FC_GST_TEST_H
#define FC_GST_TEST_H

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

#include "fc.h"

/* Every wait in the tests is bounded by this; none of them comes near it. */
#define FCT_PATIENCE (60 * G_TIME_SPAN_SECOND)

#define FCT_WAIT(condition)                                                    \
  G_STMT_START                                                                 \
  {                                                                            \
    gint64 fct_end = g_get_monotonic_time () + FCT_PATIENCE;                   \
                                                                               \
    while (!(condition))                                                       \
      {                                                                        \
        fail_if (g_get_monotonic_time () > fct_end, "never came: %s",          \
                 #condition);                                                  \
        g_usleep (1000);                                                       \
      }                                                                        \
  }                                                                            \
  G_STMT_END

/* The whole of main (). Runs the one test of SUITE that the command line
 * names, or all, each with a slot directory of its own (FC_DIR), which is gone
 * afterwards however the test ends. */
int fct_main (int argc, char **argv, Suite *(*suite) (void) );

/* For tcase_add_checked_fixture (). */
void fct_set_up (void);
void fct_tear_down (void);

/* Elements with properties, name and value in turn as for g_object_set ().
 * fcsink is not synchronised. */
GstElement *fct_new (const gchar *factory, ...) G_GNUC_NULL_TERMINATED;
GstHarness *fct_sink_harness (GstElement *sink, const gchar *caps);
/* Playing; whatever the harness's sink pad takes is kept until pulled. */
GstHarness *fct_src_harness (GstElement *src);
/* Also unrefs the element. */
void fct_stop (GstHarness *h);

/* fcsink slot=cam0 with these caps. */
#define FCT_DATA "application/x-test"
GstHarness *fct_writer (void);
/* fcsrc slot=cam0 timestamps=stream, with a property more, or NULL. */
GstHarness *fct_reader (const gchar *property, gint value);
/* Both, and the reader is attached. */
void fct_both (GstHarness **sink, GstHarness **src);

/* SIZE bytes that only frame NUMBER has, at NUMBER times 20 ms. */
GstBuffer *fct_buffer (guint number, gsize size);
void fct_push_caps (GstHarness *h, const gchar *caps);
void fct_push (GstHarness *h, guint number, gsize size);
void fct_check_buffer (GstBuffer *buffer, guint number, gsize size);
/* Pull the next, which must be this one. */
void fct_pull (GstHarness *h, guint number, gsize size);

/* The next event of this type; what comes before it is dropped. */
GstEvent *fct_pull_event (GstHarness *h, GstEventType type);

guint64 fct_stat (GstElement *element, const gchar *field);
gboolean fct_slot_stat (const gchar *slot, fc_slot_stat_t *stat);
guint fct_consumers (const gchar *slot);
/* How many of them have taken all there is, and are asleep until the next
 * frame; or, where there is no such slot yet, until it is made. */
guint fct_waiting (const gchar *slot);

/* A bus for an element that is in no pipeline. */
GstBus *fct_bus (GstElement *element);
/* Also lets go of the messages in it, which hold the element. */
void fct_bus_free (GstBus *bus);
/* The next element message of this name. */
GstMessage *fct_message (GstBus *bus, const gchar *name);
/* Expect an error of the resource domain, with TEXT in what the user reads. */
void fct_expect_error (GstBus *bus, gint code, const gchar *text);

/* A pipeline in another process (gst-launch-1.0), until it is killed. */
GPid fct_launch (const gchar *line, ...) G_GNUC_PRINTF (1, 2);
/* Any other program, with its arguments, quoted as for a shell. */
GPid fct_spawn (const gchar *line, ...) G_GNUC_PRINTF (1, 2);
void fct_kill (GPid pid);
/* It ends by itself, and is content. */
void fct_finished (GPid pid);

#endif /* FC_GST_TEST_H */
