export { visible, visibleLine, visibleLog } from '../../shared/visible.ts'
