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

/// `result` of a command that was given an empty list.
struct NothingToDoEvent: Encodable {
    let event = "result"
    let time = JSONText.time
    let outcome = "nothing-to-do"
    let exitCode = ExitCode.success.rawValue
}

extension CommandContext {
    /// Says that the list on standard input named nothing, which is what there was to do.
    func nothingToDo() -> ExitCode {
        if isJSON {
            console.result(JSONText.line(NothingToDoEvent()))
        } else {
            console.message("nothing to do: no VM is named on standard input")
        }
        return .success
    }
}
