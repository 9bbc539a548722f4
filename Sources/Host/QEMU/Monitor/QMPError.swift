package import MigrationModel

/// How a command of QEMU's monitor can fail.
package enum QMPError: Error, Hashable, Sendable {
    /// QEMU understood the command and says why it was not done.
    case refused(command: String, QMPRefusal)
    /// QEMU did not answer in time; the command may still be carried out.
    case silent(command: String, after: Duration)
    /// QEMU closed the connection: it has ended, or is about to.
    case closed(command: String)
    /// What came is not the protocol.
    case malformed(String)

    /// The error as a user sees it.
    package var livemigError: LivemigError {
        switch self {
        case .refused(let command, let refusal):
            LivemigError(.qmp, "QEMU refused \(command): \(refusal.desc.escaped())")
        case .silent(let command, let time):
            LivemigError(.qmp, "QEMU did not answer \(command) for \(time.brief)")
        case .closed(let command):
            LivemigError(.qmp, "QEMU closed its monitor at \(command)")
        case .malformed(let reason):
            LivemigError(.qmpProtocol, "QEMU's monitor sent what is not QMP: \(reason)")
        }
    }
}
