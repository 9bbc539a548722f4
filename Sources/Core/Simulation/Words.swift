import MigrationModel
import Ownership

/// How messages read in a trace.
extension Message: CustomStringConvertible {
    var description: String {
        switch self {
        case .look: "look"
        case .prepare(let attempt, let source): "prepare \(attempt.brief) from \(letter(source))"
        case .startOutgoing(let attempt, let to, _): "move \(attempt.brief) to \(letter(to))"
        case .cancelOwnMove, .cancelMachine: "cancel"
        case .recover(let step): "recover: \(step.brief)"
        case .startMachine: "start"
        case .stopMachine: "stop"
        case .view(let report), .state(let report): report.brief
        case .prepared: "prepared"
        case .committed: "committed"
        case .moved(let isClean): isClean ? "moved" : "moved, copy left over"
        case .done: "done"
        case .failed(let error): error.code.rawValue
        case .request(let request): request.description
        case .armed: "armed"
        case .launched: "launched"
        case .saved(let devices): "devices of moment \(devices)"
        case .resumed: "resumed"
        case .link(let message): message.description
        case .end: "(end)"
        }
    }
}

extension GuardianRequest: CustomStringConvertible {
    var description: String {
        switch self {
        case .describe: "describe"
        case .begin(let attempt, let peer, _): "begin \(attempt.brief) to \(letter(peer))"
        case .stop: "stop"
        case .save: "save"
        case .release(let attempt, let ready, let own):
            "release \(attempt.brief), ready \(ready.moment), own \(own.moment)"
        case .finish(let attempt): "finish \(attempt.brief)"
        case .overrule(let attempt): "overrule by \(attempt.brief)"
        case .reclaim(let attempt): "reclaim \(attempt.brief)"
        case .abort: "abort"
        case .load(let devices): "load devices of moment \(devices)"
        case .ready(let attempt, let digest): "ready \(attempt.brief), \(digest.moment)"
        case .own(let attempt, let digest, _): "own \(attempt.brief), \(digest.moment)"
        case .discard(let attempt): "discard \(attempt.brief)"
        case .powerOff: "power off"
        case .settle: "settle"
        case .cancel: "cancel"
        case .freeze: "freeze"
        case .seize(let fenced): "seize from \(letter(fenced))"
        }
    }
}

extension LinkMessage: CustomStringConvertible {
    var description: String {
        switch self {
        case .hello(let attempt): "HELLO \(attempt.brief)"
        case .machineReady: "machine ready"
        case .probe: "probe"
        case .probeReply: "probe reply"
        case .pages(let memory, let isDamaged):
            "pages of moment \(memory)\(isDamaged ? ", damaged" : "")"
        case .placed: "placed"
        case .devices(let moment): "devices of moment \(moment)"
        case .final(let attempt, let digest, _): "FINAL \(attempt.brief), \(digest.moment)"
        case .ready(let attempt, let digest): "READY \(attempt.brief), \(digest.moment)"
        case .token(let attempt, let digest): "TOKEN \(attempt.brief), \(digest.moment)"
        case .acknowledged(let attempt): "OWNACK \(attempt.brief)"
        case .abort(let attempt): "ABORT? \(attempt.brief)"
        case .aborted(let attempt): "ABORTED \(attempt.brief)"
        case .failure(let error): error.code.rawValue
        }
    }
}

extension HostReport {
    var brief: String { "\(view.right.brief), \(view.guest.rawValue)" }
}

extension RecoveryStep {
    var brief: String {
        switch self {
        case .settle: "settle"
        case .discard(let attempt): "discard \(attempt.brief)"
        case .token(let attempt, let digest): "token \(attempt.brief), \(digest.moment)"
        case .reclaim(let attempt): "reclaim \(attempt.brief)"
        case .finish(let attempt): "finish \(attempt.brief)"
        case .overrule(let attempt): "overrule by \(attempt.brief)"
        case .freeze: "freeze"
        case .seize: "seize"
        }
    }
}

extension Attempt {
    /// Such as `3#5`: epoch 3, the fifth attempt of the story.
    var brief: String { "\(epoch)#\(migration.bits.low)" }
}

extension Right {
    /// Such as `REL(3#5)`.
    var brief: String { "\(word)(\(attempt?.brief ?? epoch.description))" }
}

extension Bits128 {
    /// A digest, as the moment that it is of.
    fileprivate var moment: String { "\(low)\(high == 0 ? "" : " damaged")" }
}

/// The name of a host.
func letter(_ host: Int) -> String {
    host < 0 ? "?" : String(UnicodeScalar(UInt8(ascii: "A") + UInt8(clamping: host)))
}
