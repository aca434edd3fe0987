package errs
