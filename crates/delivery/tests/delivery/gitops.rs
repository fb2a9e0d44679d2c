//! GitOps files: health and actions of Argo CD, the rules of kstatus, Flux.
