/* A URI that names a slot and how to read it, from anywhere.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <gst/gst.h>
#include <stdlib.h>

#include "fuzz.h"
#include "gstfcsrc.h"

static GstElement *first, *second;

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  gst_init (NULL, NULL);
  gst_debug_set_active (FALSE);
  first = gst_object_ref_sink (g_object_new (GST_TYPE_FC_SRC, NULL));
  second = gst_object_ref_sink (g_object_new (GST_TYPE_FC_SRC, NULL));
  return 0;
}

/* What was set comes back as a URI that says the same. */
static void
check (void)
{
  g_autofree gchar *uri = gst_uri_handler_get_uri (GST_URI_HANDLER (first));
  g_autofree gchar *again = NULL;
  g_autofree gchar *directory = NULL;

  if (uri == NULL
      || !gst_uri_handler_set_uri (GST_URI_HANDLER (second), uri, NULL))
    abort ();
  again = gst_uri_handler_get_uri (GST_URI_HANDLER (second));
  if (g_strcmp0 (uri, again) != 0)
    abort ();
  g_object_get (first, "directory", &directory, NULL);
  if (directory != NULL)
    abort ();
}

/* It is told to whoever has a terminal. */
static void
check_sentence (const gchar *text)
{
  if (!g_utf8_validate (text, -1, NULL))
    abort ();
  for (; *text != '\0'; text = g_utf8_next_char (text))
    if (!g_unichar_isprint (g_utf8_get_char (text)))
      abort ();
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree gchar *rest = g_strndup ((const gchar *) data, size);
  g_autofree gchar *uri = g_strconcat ("fc:", rest, NULL);
  g_autoptr (GError) error = NULL;

  if (gst_uri_handler_set_uri (GST_URI_HANDLER (first), uri, &error))
    check ();
  else
    check_sentence (error->message);
  return 0;
}
