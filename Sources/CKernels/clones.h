/* One function, three machines: the dynamic loader picks the best that this CPU has. */
#ifndef SUPCON_CLONES_H
#define SUPCON_CLONES_H
#if defined(__x86_64__)
#define SUPCON_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SUPCON_CLONES
#endif
#endif
