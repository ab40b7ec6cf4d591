/* framecache: a terminal's whole screen
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One thing at a time is on it, drawn anew as a whole. All that it takes is
 * what every terminal of today knows, so that there is no terminfo, and no
 * curses, to depend on.
 */
#ifndef FCCTL_SCREEN_H
#define FCCTL_SCREEN_H

#include <glib.h>

G_BEGIN_DECLS

/* Keys: a character, or one of these for those that send a sequence. */
enum
{
  FCCTL_KEY_UP = 'k',
  FCCTL_KEY_DOWN = 'j',
  FCCTL_KEY_PAGE_UP = 'b',
  FCCTL_KEY_PAGE_DOWN = ' ',
  FCCTL_KEY_HOME = 'g',
  FCCTL_KEY_END = 'G'
};

typedef struct
{
  void (*key) (int key, gpointer user_data);
  void (*draw) (gpointer user_data); /* calls fcctl_screen_draw () */
  void (*quit) (gpointer user_data);
} FcctlScreenFuncs;

typedef struct _FcctlScreen FcctlScreen;

/* Take the terminal that standard output is. From here on the signals that end
 * or stop a program, or resize its terminal, are blocked, in the threads that
 * are begun later too, and come through the default main context. FUNCS is
 * the caller's and outlives the screen. */
FcctlScreen *fcctl_screen_new (const FcctlScreenFuncs *funcs,
                               gpointer user_data);
void fcctl_screen_size (FcctlScreen *screen, guint *columns, guint *lines);
/* LINES, as many as there are, each cut to the width by the caller. */
void fcctl_screen_draw (FcctlScreen *screen, GPtrArray *lines);
/* Give the terminal back as it was. Where a signal asked for the end, it then
 * ends the program, as it would have; but for an interrupt, which is how people
 * leave. Takes NULL. */
void fcctl_screen_free (FcctlScreen *screen);

G_END_DECLS

#endif /* FCCTL_SCREEN_H */
