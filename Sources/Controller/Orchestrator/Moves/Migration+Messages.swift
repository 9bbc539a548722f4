import FrameTransport
import Handoff
import MigrationModel
import WireProtocol

extension Migration {
    /// What a frame of an agent says about a move; `nil` for a destination's last word.
    static func message(
        _ frame: Frame, _ host: HostName
    ) throws(LivemigError) -> ControllerMove.Message? {
        do throws(LivemigError) {
            switch frame.type {
            case .phase: return .phase(try frame.decode(PhaseMessage.self).phase)
            case .round: return .round(try frame.decode(RoundMessage.self).round)
            case .progress: return .progress(try frame.decode(ProgressMessage.self).progress)
            case .moved: return .moved(try frame.decode(Moved.self).report)
            case .failure:
                var error = try frame.decode(FailureMessage.self).error.named(host)
                // An agent does not know its name.
                if error.guest?.host == "" { error.guest?.host = host.text }
                return .failed(error)
            case .note:
                var finding = try frame.decode(NoteMessage.self).finding
                finding.place = host.among(finding.place)
                return .note(finding)
            case .done: return nil
            default:
                throw LivemigError(.wire, "frame type \(frame.type) is not expected here")
            }
        } catch {
            throw error.named(host)
        }
    }
}
