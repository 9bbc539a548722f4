import MigrationModel

extension CommandContext {
    /// Reports what went wrong beside a result that was printed.
    /// - Returns: the exit code of the first, success where there is none.
    func complain(about errors: [LivemigError]) -> ExitCode {
        for error in errors {
            console.message(
                ErrorText.line(error, style: console.errorStyle), isStyled: true)
        }
        return errors.first?.code.exitCode ?? .success
    }
}
